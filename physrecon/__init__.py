"""physrecon: exact operators, solvers that stop by themselves, volumes in HDF5.

Names load when they are first used (PEP 562), so that `import physrecon` costs nothing: neither
numba nor h5py is imported before something needs them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from physrecon import datasets, errors
    from physrecon.analytic.fbp import fbp
    from physrecon.checkpoint import load_state, save_state
    from physrecon.errors import (
        ArgumentError,
        ConfigError,
        DataError,
        DataWarning,
        DeviceError,
        Interrupted,
        MissingInputError,
        OutputError,
        PhysreconError,
        WriteError,
    )
    from physrecon.geometry import Grid, ParallelBeam
    from physrecon.likelihoods import LeastSquares
    from physrecon.operators.algebra import Identity, vstack
    from physrecon.operators.base import LinearOperator
    from physrecon.operators.checks import as_scipy, check_adjoint, norm_bounds
    from physrecon.operators.projector import Projector
    from physrecon.priors import NonNegative
    from physrecon.problem import Problem
    from physrecon.solvers.base import Result, Stop, iterate, solve
    from physrecon.solvers.conjugate_gradient import ConjugateGradient
    from physrecon.solvers.gradient_descent import GradientDescent
    from physrecon.solvers.landweber import Landweber
    from physrecon.solvers.sirt import SIRT
    from physrecon.store import open_scan, open_volume

    __version__: str

_MODULE_OF = {
    "ParallelBeam": "physrecon.geometry",
    "Grid": "physrecon.geometry",
    "Projector": "physrecon.operators.projector",
    "LinearOperator": "physrecon.operators.base",
    "Identity": "physrecon.operators.algebra",
    "vstack": "physrecon.operators.algebra",
    "check_adjoint": "physrecon.operators.checks",
    "norm_bounds": "physrecon.operators.checks",
    "as_scipy": "physrecon.operators.checks",
    "fbp": "physrecon.analytic.fbp",
    "LeastSquares": "physrecon.likelihoods",
    "NonNegative": "physrecon.priors",
    "Problem": "physrecon.problem",
    "solve": "physrecon.solvers.base",
    "iterate": "physrecon.solvers.base",
    "Stop": "physrecon.solvers.base",
    "Result": "physrecon.solvers.base",
    "ConjugateGradient": "physrecon.solvers.conjugate_gradient",
    "GradientDescent": "physrecon.solvers.gradient_descent",
    "Landweber": "physrecon.solvers.landweber",
    "SIRT": "physrecon.solvers.sirt",
    "save_state": "physrecon.checkpoint",
    "load_state": "physrecon.checkpoint",
    "open_scan": "physrecon.store",
    "open_volume": "physrecon.store",
    "PhysreconError": "physrecon.errors",
    "ArgumentError": "physrecon.errors",
    "ConfigError": "physrecon.errors",
    "DataError": "physrecon.errors",
    "DataWarning": "physrecon.errors",
    "DeviceError": "physrecon.errors",
    "Interrupted": "physrecon.errors",
    "MissingInputError": "physrecon.errors",
    "OutputError": "physrecon.errors",
    "WriteError": "physrecon.errors",
}
_SUBMODULES = ("datasets", "errors")

__all__ = [
    *_MODULE_OF,
    *_SUBMODULES,
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f"physrecon.{name}")
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("physrecon")
    elif name in _MODULE_OF:
        value = getattr(import_module(_MODULE_OF[name]), name)
    else:
        raise AttributeError(f"module 'physrecon' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
