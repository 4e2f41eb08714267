"""physrecon reconstructs images from indirect measurements.

    import physrecon as pr

    scan = pr.ParallelBeam(angles, (rows, columns), angle_unit="deg")     # the geometry
    x = pr.fbp(y, scan)                                                   # a volume, directly

    A = pr.Projector(scan)                                                # or by a model:
    problem = pr.Problem(pr.LeastSquares(A, y), pr.TV(0.1), pr.NonNegative())
    result = pr.solve(problem, pr.PDHG(), stop=pr.Stop(iterations=200))   # result.x, result.plot()

Begin with help(pr.fbp), help(pr.solve), help(pr.LinearOperator) for an operator of your own, and
with docs/guide/python.md.  Arrays are float32 or float64: volumes (z, y, x), data (view, row,
column).  On the command line: `physrecon --help`.

files           open_scan, open_volume, open_image, write_scan, write_image
raw counts      prepare, find_center, check_geometry, Diagnosis, stitch
geometry        ParallelBeam, TiltedBeam, FanBeam, ConeBeam, HelicalCone, VectorBeam, Grid;
                align
direct methods  fbp, fdk, wiener, tikhonov_filter
operators       Projector, FourierProjector, Blur, DepthBlur, PatchBlur, Downsample, Mask, Wavelet,
                Gradient, SymmetricGradient, Diagonal, Identity, LinearOperator, Operator,
                Exponential, Pointwise, Function; vstack, hstack, block_diagonal, sum_over;
                as_operator, as_real, as_complex, as_scipy; check_adjoint, check_linearization,
                norm_bounds
likelihoods     LeastSquares, Huber, StudentT, PoissonLikelihood, PoissonGaussianLikelihood,
                TransmissionLikelihood, Likelihood; noise_level
noise           GaussianNoise, PoissonNoise, PoissonGaussianNoise, TransmissionNoise
priors          TotalVariation (TV), HuberTV, TGV, Tikhonov, L1, WaveletL1, JointTotalVariation,
                NuclearNorm, NuclearTotalVariation, PlugAndPlay, PriorSum, Prior
constraints     NonNegative, Box
problems        Problem, solve, iterate, Stop, Result, choose_weight, choose_iterations;
                save_state, load_state
solvers         SIRT, ConjugateGradient (CGLS), LSQR, Landweber, SART, Kaczmarz, MLEM, OSEM,
                RichardsonLucy (RL), BlindRichardsonLucy, FISTA, PDHG, ADMM, LBFGS, GaussNewton,
                GradientDescent (GD), SAGA, Adam, RMSprop
results         compare, Comparison, check_model
rooms           psf (models and beads: psf_from_beads), datasets (phantoms), errors,
                geometry (to_ and from_ astra, cil, leap, rtk, tigre)

All errors are PhysreconError: ArgumentError, ConfigError, DataError, DeviceError, Interrupted,
MissingInputError, OutputError, WriteError.  Names load when they are first used (PEP 562):
`import physrecon` costs nothing."""

from __future__ import annotations

import os
from typing import Any

import lazy_loader

# Threads that wait for work must not spin: two programs side by side would take many times as long
# as one.  OpenMP reads this once, when Numba loads its library, which is at the first question for
# the number of threads and may be before any kernel is imported.  A choice of the user stands.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

_load, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("physrecon")
    elif name in __all__:
        value = _load(name)
    elif name in _aliases():
        value = _load(_aliases()[name])
    else:
        raise AttributeError(f"module 'physrecon' has no attribute {name!r}{_advice(name)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_aliases()])


def _aliases() -> dict[str, str]:
    """Second name → name, as CGLS → ConjugateGradient."""
    from physrecon.catalog import ALIASES

    return ALIASES


def _advice(name: str) -> str:
    if name.startswith("_"):
        return ""
    from physrecon.catalog import nearest_class

    return nearest_class(name, __all__)
