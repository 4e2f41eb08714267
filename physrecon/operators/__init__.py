"""Linear operators with exact adjoints, and their algebra."""

from physrecon.operators.algebra import Diagonal, Identity, vstack
from physrecon.operators.base import LinearOperator
from physrecon.operators.checks import as_scipy, check_adjoint, norm_bounds
from physrecon.operators.projector import Projector

__all__ = [
    "Diagonal",
    "Identity",
    "LinearOperator",
    "Projector",
    "as_scipy",
    "check_adjoint",
    "norm_bounds",
    "vstack",
]
