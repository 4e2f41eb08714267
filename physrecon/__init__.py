"""physrecon: exact operators, solvers that stop by themselves, volumes in HDF5.

Names load when they are first used (PEP 562), so that `import physrecon` costs nothing: neither
numba nor h5py is imported before something needs them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from physrecon import datasets, errors, psf
    from physrecon.analytic.fbp import fbp
    from physrecon.analytic.wiener import tikhonov_filter, wiener
    from physrecon.errors import (
        ArgumentError,
        ConfigError,
        DataError,
        DeviceError,
        Interrupted,
        MissingInputError,
        OutputError,
        PhysreconError,
        WriteError,
    )
    from physrecon.geometry.grid import Grid
    from physrecon.geometry.parallel_beam import ParallelBeam
    from physrecon.io import open_image, open_scan, open_volume, write_image
    from physrecon.likelihoods import (
        Huber,
        LeastSquares,
        Likelihood,
        PoissonGaussianLikelihood,
        PoissonLikelihood,
        StudentT,
        TransmissionLikelihood,
    )
    from physrecon.likelihoods.noise import (
        GaussianNoise,
        PoissonGaussianNoise,
        PoissonNoise,
        TransmissionNoise,
    )
    from physrecon.likelihoods.noise_level import noise_level
    from physrecon.operators.base import LinearOperator, Operator
    from physrecon.operators.blur.blur import Blur
    from physrecon.operators.blur.varying import DepthBlur, PatchBlur
    from physrecon.operators.calculus import Gradient, SymmetricGradient
    from physrecon.operators.checks import as_scipy, check_adjoint, check_linearization, norm_bounds
    from physrecon.operators.diagonal import Diagonal, Identity
    from physrecon.operators.downsample import Downsample
    from physrecon.operators.mask import Mask
    from physrecon.operators.nonlinear import Exponential, Function, Pointwise
    from physrecon.operators.projection.projector import Projector
    from physrecon.operators.stacks import block_diagonal, hstack, vstack
    from physrecon.operators.wavelet import Wavelet
    from physrecon.pipeline.checkpoint import load_state, save_state
    from physrecon.preprocess.line_integrals import prepare
    from physrecon.preprocess.rotation_axis import find_center
    from physrecon.priors.base import Prior, PriorSum
    from physrecon.priors.constraints import Box, NonNegative
    from physrecon.priors.nuclear import NuclearNorm, NuclearTotalVariation
    from physrecon.priors.plug_and_play import PlugAndPlay
    from physrecon.priors.sparsity import L1, WaveletL1
    from physrecon.priors.tgv import TGV
    from physrecon.priors.tikhonov import Tikhonov
    from physrecon.priors.total_variation import HuberTV, JointTotalVariation, TotalVariation
    from physrecon.problem import Problem
    from physrecon.psf.beads import psf_from_beads
    from physrecon.solvers.adam import Adam, RMSprop
    from physrecon.solvers.admm import ADMM
    from physrecon.solvers.base import Result, Stop, iterate, solve
    from physrecon.solvers.blind_richardson_lucy import BlindRichardsonLucy
    from physrecon.solvers.choose_weight import choose_weight
    from physrecon.solvers.conjugate_gradient import ConjugateGradient
    from physrecon.solvers.fista import FISTA
    from physrecon.solvers.gauss_newton import GaussNewton
    from physrecon.solvers.gradient_descent import GradientDescent
    from physrecon.solvers.kaczmarz import Kaczmarz
    from physrecon.solvers.landweber import Landweber
    from physrecon.solvers.lbfgs import LBFGS
    from physrecon.solvers.lsqr import LSQR
    from physrecon.solvers.mlem import MLEM
    from physrecon.solvers.osem import OSEM
    from physrecon.solvers.pdhg import PDHG
    from physrecon.solvers.richardson_lucy import RichardsonLucy
    from physrecon.solvers.saga import SAGA
    from physrecon.solvers.sart import SART
    from physrecon.solvers.sirt import SIRT

    __version__: str

__all__ = [
    "ADMM",
    "FISTA",
    "L1",
    "LBFGS",
    "LSQR",
    "MLEM",
    "OSEM",
    "PDHG",
    "SAGA",
    "SART",
    "SIRT",
    "TGV",
    "Adam",
    "ArgumentError",
    "BlindRichardsonLucy",
    "Blur",
    "Box",
    "ConfigError",
    "ConjugateGradient",
    "DataError",
    "DepthBlur",
    "DeviceError",
    "Diagonal",
    "Downsample",
    "Exponential",
    "Function",
    "GaussNewton",
    "GaussianNoise",
    "Gradient",
    "GradientDescent",
    "Grid",
    "Huber",
    "HuberTV",
    "Identity",
    "Interrupted",
    "JointTotalVariation",
    "Kaczmarz",
    "Landweber",
    "LeastSquares",
    "Likelihood",
    "LinearOperator",
    "Mask",
    "MissingInputError",
    "NonNegative",
    "NuclearNorm",
    "NuclearTotalVariation",
    "Operator",
    "OutputError",
    "ParallelBeam",
    "PatchBlur",
    "PhysreconError",
    "PlugAndPlay",
    "Pointwise",
    "PoissonGaussianLikelihood",
    "PoissonGaussianNoise",
    "PoissonLikelihood",
    "PoissonNoise",
    "Prior",
    "PriorSum",
    "Problem",
    "Projector",
    "RMSprop",
    "Result",
    "RichardsonLucy",
    "Stop",
    "StudentT",
    "SymmetricGradient",
    "Tikhonov",
    "TotalVariation",
    "TransmissionLikelihood",
    "TransmissionNoise",
    "Wavelet",
    "WaveletL1",
    "WriteError",
    "__version__",
    "as_scipy",
    "block_diagonal",
    "check_adjoint",
    "check_linearization",
    "choose_weight",
    "datasets",
    "errors",
    "fbp",
    "find_center",
    "hstack",
    "iterate",
    "load_state",
    "noise_level",
    "norm_bounds",
    "open_image",
    "open_scan",
    "open_volume",
    "prepare",
    "psf",
    "psf_from_beads",
    "save_state",
    "solve",
    "tikhonov_filter",
    "vstack",
    "wiener",
    "write_image",
]

_NAMES = {
    "": "datasets errors psf",
    "analytic.fbp": "fbp",
    "analytic.wiener": "tikhonov_filter wiener",
    "errors": "ArgumentError ConfigError DataError DeviceError Interrupted MissingInputError "
    "OutputError PhysreconError WriteError",
    "geometry.grid": "Grid",
    "geometry.parallel_beam": "ParallelBeam",
    "io": "open_image open_scan open_volume write_image",
    "likelihoods": "Huber LeastSquares Likelihood PoissonGaussianLikelihood PoissonLikelihood "
    "StudentT TransmissionLikelihood",
    "likelihoods.noise": "GaussianNoise PoissonGaussianNoise PoissonNoise TransmissionNoise",
    "likelihoods.noise_level": "noise_level",
    "operators.base": "LinearOperator Operator",
    "operators.blur.blur": "Blur",
    "operators.blur.varying": "DepthBlur PatchBlur",
    "operators.calculus": "Gradient SymmetricGradient",
    "operators.checks": "as_scipy check_adjoint check_linearization norm_bounds",
    "operators.diagonal": "Diagonal Identity",
    "operators.downsample": "Downsample",
    "operators.mask": "Mask",
    "operators.nonlinear": "Exponential Function Pointwise",
    "operators.projection.projector": "Projector",
    "operators.stacks": "block_diagonal hstack vstack",
    "operators.wavelet": "Wavelet",
    "pipeline.checkpoint": "load_state save_state",
    "preprocess.line_integrals": "prepare",
    "preprocess.rotation_axis": "find_center",
    "priors.base": "Prior PriorSum",
    "priors.constraints": "Box NonNegative",
    "priors.nuclear": "NuclearNorm NuclearTotalVariation",
    "priors.plug_and_play": "PlugAndPlay",
    "priors.sparsity": "L1 WaveletL1",
    "priors.tgv": "TGV",
    "priors.tikhonov": "Tikhonov",
    "priors.total_variation": "HuberTV JointTotalVariation TotalVariation",
    "problem": "Problem",
    "psf.beads": "psf_from_beads",
    "solvers.adam": "Adam RMSprop",
    "solvers.admm": "ADMM",
    "solvers.base": "Result Stop iterate solve",
    "solvers.blind_richardson_lucy": "BlindRichardsonLucy",
    "solvers.choose_weight": "choose_weight",
    "solvers.conjugate_gradient": "ConjugateGradient",
    "solvers.fista": "FISTA",
    "solvers.gauss_newton": "GaussNewton",
    "solvers.gradient_descent": "GradientDescent",
    "solvers.kaczmarz": "Kaczmarz",
    "solvers.landweber": "Landweber",
    "solvers.lbfgs": "LBFGS",
    "solvers.lsqr": "LSQR",
    "solvers.mlem": "MLEM",
    "solvers.osem": "OSEM",
    "solvers.pdhg": "PDHG",
    "solvers.richardson_lucy": "RichardsonLucy",
    "solvers.saga": "SAGA",
    "solvers.sart": "SART",
    "solvers.sirt": "SIRT",
}  # module → what it gives
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("physrecon")
    elif name not in _MODULE_OF:
        raise AttributeError(f"module 'physrecon' has no attribute {name!r}")
    elif module := _MODULE_OF[name]:
        value = getattr(import_module(f"physrecon.{module}"), name)
    else:
        value = import_module(f"physrecon.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
