"""Our operators for SciPy: on flat vectors, with tuples joined end to end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import linalg

from physrecon.arrays import vectors
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.operators.checks import flatten, unflatten


class ScipyOperator(linalg.LinearOperator):
    """A on flat vectors.  Made by `as_scipy`; can be pickled if A can."""

    def __init__(self, A: LinearOperator, dtype: np.dtype[Any] | None) -> None:
        super().__init__(
            A.dtype if dtype is None else dtype,
            (vectors.size(A.out_shape), vectors.size(A.in_shape)),
        )
        self.operator, self._only = A, dtype

    def _matvec(self, x: Any) -> Any:
        return self._applied(self.operator, x)

    def _rmatvec(self, x: Any) -> Any:
        return self._applied(self.operator.T, x)

    def _applied(self, A: LinearOperator, vector: Any) -> Any:
        flat = np.asarray(vector).reshape(-1)
        if self._only is not None or flat.dtype not in (np.float32, np.float64):
            casting: Any = "same_kind" if flat.dtype.kind == "c" else "unsafe"
            flat = flat.astype(self.dtype, casting=casting)
        return flatten(A @ unflatten(flat, A.in_shape))


def as_scipy(A: LinearOperator, dtype: DTypeLike | None = None) -> linalg.LinearOperator:
    """A as scipy.sparse.linalg.LinearOperator on flat vectors (tuples joined end to end).

    Arrays are on the host.  It can be pickled, for other processes, if A can.

    Args:
        A: a linear operator.
        dtype: float32 or float64, of all products; by default float32 and float64 vectors keep
            their own and others become A.dtype.
    Raises:
        ArgumentError: for another A or dtype.

    Example:
        >>> from scipy.sparse.linalg import cg
        >>> A = pr.as_scipy(pr.Diagonal([1, 2, 4], (3,)))
        >>> x, info = cg(A, np.array([1.0, 4.0, 12.0]))
        >>> x.round(3).tolist()
        [1.0, 2.0, 3.0]
    """
    if not isinstance(A, LinearOperator):
        raise ArgumentError(f"as_scipy: expected a LinearOperator, got {type(A).__name__}")
    wanted = None if dtype is None else np.dtype(dtype)
    if wanted not in (None, np.float32, np.float64):
        raise ArgumentError(f"as_scipy.dtype: expected float32 or float64, got {wanted}")
    return ScipyOperator(A, wanted)
