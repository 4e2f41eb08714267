"""Operators of elsewhere: matrices, those of SciPy and PyLops, and pairs of functions.

A complex A becomes a real operator whose data have a last axis (Re, Im).  For a real unknown x,

    x ↦ (Re A x, Im A x),   its transpose (Re y, Im y) ↦ Re Aᴴ (Re y + i Im y);

for a complex unknown x has that axis too, and the transpose is all of Aᴴ."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from physrecon import arrays
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator, Operator


class HasProducts(Protocol):
    """A linear operator of SciPy, PyLops or the like, on flat vectors."""

    shape: tuple[int, int]
    dtype: Any

    def matvec(self, x: Any) -> Any: ...
    def rmatvec(self, x: Any) -> Any: ...


Products = tuple[Callable[[Any], Any], Callable[[Any], Any]]  # x ↦ A x, y ↦ Aᴴ y
OperatorLike = Operator | HasProducts | Products | ArrayLike

KNOWN = (
    "a pr.LinearOperator, a matrix (NumPy or SciPy sparse), an operator with shape, matvec and "
    "rmatvec (SciPy, PyLops), or a pair of functions (forward, adjoint)"
)


class AdoptedOperator(LinearOperator):
    """A linear map that is given as two functions of arrays.  Made by `as_operator`.

    Holds what the functions hold; a matrix also in the precision of x, if that is another."""

    proved_adjoint = False  # the functions are the user's

    def __init__(
        self,
        name: str,
        forward: Callable[[Any], Any],
        adjoint: Callable[[Any], Any],
        shapes: tuple[tuple[int, ...], tuple[int, ...]],
        dtype: np.dtype[Any],
        complex_x: bool,
    ) -> None:
        self._name, self._functions, self._shapes = name, (forward, adjoint), shapes
        complex_y = dtype.kind == "c"
        self._complex = complex_x, complex_y
        self.in_shape, self.out_shape = (
            (*shape, 2) if split else shape
            for shape, split in zip(shapes, self._complex, strict=True)
        )
        self.dtype = np.zeros(0, np.result_type(dtype, np.float32)).real.dtype

    def _forward(self, x: Any, out: Any) -> None:
        self._call("forward", 0, x, out)

    def _adjoint(self, y: Any, out: Any) -> None:
        self._call("adjoint", 1, y, out)

    def _call(self, word: str, which: int, given: Any, out: Any) -> None:
        from_complex, to_complex = self._complex[which], self._complex[1 - which]
        where = f"{self._name}.{word}"
        try:
            found = self._functions[which](as_complex(given) if from_complex else given)
        except NotImplementedError as error:
            raise ArgumentError(
                f"{where}: expected both A and its adjoint, got NotImplementedError ({error}); "
                "give the operator its rmatvec"
            ) from error
        found = found if arrays.is_device(found) else np.asarray(found)
        shape = self._shapes[1 - which]
        if tuple(found.shape) != shape:
            raise ArgumentError(f"{where}: expected an array of {shape}, got {found.shape}")
        if to_complex:
            out[..., 0], out[..., 1] = found.real, found.imag
        elif found.dtype.kind == "c" and not self._complex[1]:
            raise ArgumentError(
                f"{where}: expected real values, got {found.dtype}; pass dtype=np.complex64 to "
                "as_operator"
            )
        else:
            out[...] = found.real

    def __repr__(self) -> str:
        return f"{self._name}({self.in_shape} → {self.out_shape})"


class _Matrix:
    """Products with a matrix, dense or sparse, in the precision of the vector."""

    def __init__(self, M: Any, transposed: bool = False) -> None:
        self._M, self._transposed, self._kept = M, transposed, {M.dtype: M}

    def __call__(self, v: Any) -> Any:
        dtype = np.result_type(v.dtype, np.complex64 if self._M.dtype.kind == "c" else np.float32)
        if dtype not in self._kept:
            self._kept[dtype] = self._M.astype(dtype)
        M, flat = self._kept[dtype], v.reshape(-1)
        if not self._transposed:
            return M @ flat
        return (M.T @ flat.conj()).conj()  # Mᴴ v without a conjugate of M


class _Flat:
    """A function of flat vectors as one of flat vectors of any shape."""

    def __init__(self, call: Callable[[Any], Any]) -> None:
        self._call = call

    def __call__(self, v: Any) -> Any:
        return np.asarray(self._call(arrays.to_host(v).reshape(-1))).reshape(-1)


class _Shaped:
    """A function whose results get a shape."""

    def __init__(self, call: Callable[[Any], Any], shape: tuple[int, ...]) -> None:
        self._call, self._shape = call, shape

    def __call__(self, v: Any) -> Any:
        found = self._call(v)
        return found.reshape(self._shape) if found.size == math.prod(self._shape) else found


def as_operator(
    A: Any,
    adjoint: Callable[[Any], Any] | None = None,
    *,
    in_shape: int | tuple[int, ...] | None = None,
    out_shape: int | tuple[int, ...] | None = None,
    dtype: DTypeLike | None = None,
    complex_x: bool = False,
) -> LinearOperator:
    """The linear operator of a matrix, of a SciPy or PyLops operator, or of two functions.

    `LeastSquares(A, y)` and the other likelihoods call it.  `solve` tries an adjoint once.

    Args:
        A: a matrix (NumPy or SciPy sparse), an object with shape, matvec and rmatvec, a function
            x ↦ A x with its `adjoint`, or the pair of both.  A LinearOperator is returned as it is.
        adjoint: the function y ↦ Aᴴ y, where A is a function.
        in_shape: of x; by default (n,) for an m × n matrix, and `dims` of PyLops.
        out_shape: of A x; by default (m,), and `dimsd` of PyLops.
        dtype: of A x, for functions; complex if it is.  By default that of A, else float32.
        complex_x: the unknown is complex, which x states by a last axis (Re, Im), see `as_complex`.
    Returns:
        LinearOperator: real.  If A is complex its data have a last axis (Re, Im), see `as_real`.
    Raises:
        ArgumentError: for anything else, NaN in a matrix, and shapes that do not fit.

    Example:
        >>> A = pr.as_operator(np.array([[1.0, 2.0], [0.0, 1.0], [1.0, 0.0]]))
        >>> A @ np.array([1.0, 10.0]), A.T @ np.array([1.0, 1.0, 1.0])
        (array([21., 10.,  1.]), array([2., 3.]))
        >>> B = pr.as_operator(np.fft.fft, lambda y: 4 * np.fft.ifft(y), in_shape=4, dtype=complex)
        >>> B.out_shape, pr.check_adjoint(B) < 1e-6
        ((4, 2), True)
    """
    if isinstance(A, LinearOperator):
        return A
    if isinstance(A, tuple) and len(A) == 2 and all(map(callable, A)) and adjoint is None:
        A, adjoint = A
    sizes = tuple(None if s is None else (s,) if isinstance(s, int) else tuple(s)
                  for s in (in_shape, out_shape))  # fmt: skip
    if callable(A) and adjoint is not None:
        return _of_functions(A, adjoint, sizes, dtype, complex_x)
    if hasattr(A, "matvec") and hasattr(A, "rmatvec"):
        calls: Any
        name, calls, proved = type(A).__name__, (_Flat(A.matvec), _Flat(A.rmatvec)), False
        sizes = sizes[0] or getattr(A, "dims", None), sizes[1] or getattr(A, "dimsd", None)
    elif hasattr(A, "tocsr") or (not callable(A) and _is_matrix(A)):
        A = _checked_matrix(A)
        name, calls, proved = "Matrix", (_Matrix(A), _Matrix(A, True)), True
    else:
        one = " without its adjoint" if callable(A) and not isinstance(A, Operator) else ""
        raise ArgumentError(f"as_operator: expected {KNOWN}, got {type(A).__name__}{one}")
    return _of_flat(A, name, calls, proved, sizes, complex_x)


def _of_flat(
    A: Any, name: str, calls: Any, proved: bool, sizes: Any, complex_x: bool
) -> LinearOperator:
    """The operator of two functions of flat vectors; A has shape and dtype."""
    rows, columns = A.shape
    shapes = sizes[0] or (columns,), sizes[1] or (rows,)
    for word, shape, size in zip(("in", "out"), shapes, (columns, rows), strict=True):
        if math.prod(shape) != size:
            raise ArgumentError(
                f"as_operator: expected {word}_shape of {size} elements for A of {rows} × "
                f"{columns}, got {tuple(shape)}"
            )
    x, y = (tuple(map(int, shape)) for shape in shapes)
    dtype = np.dtype(np.float32 if A.dtype is None else A.dtype)
    forward, adjoint = _Shaped(calls[0], y), _Shaped(calls[1], x)
    operator = AdoptedOperator(name, forward, adjoint, (x, y), dtype, complex_x)
    operator.proved_adjoint = proved
    if proved and dtype.kind != "c" and not complex_x:
        operator.nonnegative = bool((A.min() if A.size else 0) >= 0)
    return operator


def _of_functions(
    forward: Any, adjoint: Any, sizes: Any, dtype: DTypeLike | None, complex_x: bool
) -> LinearOperator:
    """One of the two shapes may be missing: the functions tell it."""
    kind = np.dtype(np.float32 if dtype is None else dtype)
    x, y = sizes
    if x is None and y is None:
        raise ArgumentError("as_operator: expected in_shape for functions, got none; pass it")
    given = np.zeros(0, np.result_type(kind, np.float32))
    of_x = given.dtype if complex_x else given.real.dtype
    y = np.shape(forward(np.zeros(x, of_x))) if y is None else y
    x = np.shape(adjoint(np.zeros(y, given.dtype))) if x is None else x
    return AdoptedOperator("Functions", forward, adjoint, (x, y), kind, complex_x)


def of_data(where: str, A: Any, y: Any) -> Operator:
    """A as an operator whose data are y, for a likelihood; operators are returned as they are."""
    if isinstance(A, Operator):
        return A
    shape = tuple(np.shape(y)) if hasattr(y, "shape") else ()
    split = getattr(A, "dtype", None) is not None and np.dtype(A.dtype).kind == "c"
    wanted = shape[:-1] if split and shape[-1:] == (2,) else shape
    known = getattr(A, "shape", None)
    fits = isinstance(A, tuple) or (known and len(known) == 2 and known[0] == math.prod(wanted))
    try:
        return as_operator(A, out_shape=wanted if fits and not hasattr(A, "dimsd") else None)
    except ArgumentError as error:
        raise ArgumentError(f"{where}.A: {str(error).removeprefix('as_operator: ')}") from None


def as_real(y: ArrayLike) -> NDArray[np.floating[Any]]:
    """A complex array as a real one with a last axis (Re, Im): the data of a complex operator.

    Args:
        y: complex or real, of any shape; on a device too.
    Returns:
        array (…, 2): float32 for complex64 and float32, otherwise float64.

    Example:
        >>> pr.as_real([1 + 2j, 3j]).tolist()
        [[1.0, 2.0], [0.0, 3.0]]
    """
    values: Any = arrays.plain("as_real", y)
    if values.dtype.kind not in "fcui":
        raise ArgumentError(f"as_real: expected numbers, got {values.dtype}")
    xp = arrays.namespace(values)
    dtype = np.float32 if values.dtype in (np.float32, np.complex64) else np.float64
    return xp.stack([values.real, values.imag], axis=-1).astype(dtype)


def as_complex(x: ArrayLike) -> NDArray[np.complexfloating[Any, Any]]:
    """A real array with a last axis (Re, Im) as a complex one: the inverse of `as_real`.

    Args:
        x: real, of shape (…, 2).
    Returns:
        array (…): complex64 for float32, otherwise complex128.
    Raises:
        ArgumentError: for another last axis.

    Example:
        >>> pr.as_complex([[1.0, 2.0], [0.0, 3.0]]).tolist()
        [(1+2j), 3j]
    """
    values: Any = arrays.plain("as_complex", x)
    if values.ndim == 0 or values.shape[-1] != 2:
        raise ArgumentError(f"as_complex: expected a last axis (Re, Im), got {values.shape}")
    one = np.complex64(1j) if values.dtype == np.float32 else np.complex128(1j)
    return values[..., 0] + one * values[..., 1]


def _is_matrix(A: Any) -> bool:
    try:
        return np.ndim(A) == 2 and not isinstance(A, str)
    except ValueError:  # rows of unequal length
        return False


def _checked_matrix(A: Any) -> Any:
    """A finite matrix of floats, dense or in compressed rows."""
    if hasattr(A, "tocsr"):
        A = A.tocsr(copy=True)
        A.sum_duplicates()
    else:
        A = arrays.plain("as_operator", A)
    if A.dtype.kind not in "fcuib":
        raise ArgumentError(f"as_operator: expected a matrix of numbers, got {A.dtype}")
    A = A if A.dtype in (np.float32, np.complex64) else A.astype(np.result_type(A.dtype, float))
    values = A.data if hasattr(A, "tocsr") else A
    if not arrays.namespace(values).isfinite(values).all():
        raise ArgumentError("as_operator: expected a finite matrix, got NaN or infinity in it")
    return A
