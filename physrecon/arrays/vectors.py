"""Vectors: arrays, or tuples of arrays, whole or cut into slices.

A *vector* is an array or a tuple of vectors (the range of a `vstack` of unlike operators); its
shape is a tuple of ints or a tuple of shapes.  `axis` is the slice axis of each array of a vector;
None for a vector without slices.  Numbers per slice are float64 NumPy arrays (n,), with n = 1 for a
vector without slices."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.errors import ArgumentError

Array = NDArray[np.floating[Any]]  # float32 or float64, on the host or of CuPy
Vector = Any  # an array, or a tuple of vectors
Shape = tuple[Any, ...]
Axis = int | tuple[Any, ...] | None
Numbers = NDArray[np.float64]


def is_real(value: Any) -> bool:
    """Whether a setting is a real number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def is_whole(value: Any) -> bool:
    """Whether a setting is a whole number; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool | np.bool_)


def is_product(shape: Shape) -> bool:
    """True for a tuple of shapes, False for one shape."""
    return len(shape) > 0 and isinstance(shape[0], tuple)


def leaves(vector: Vector) -> list[Any]:
    """The arrays of a vector, in order."""
    if isinstance(vector, tuple):
        return [leaf for part in vector for leaf in leaves(part)]
    return [vector]


def leaf_shapes(shape: Shape) -> list[tuple[int, ...]]:
    return [s for part in shape for s in leaf_shapes(part)] if is_product(shape) else [shape]


def size(shape: Shape) -> int:
    """Number of elements."""
    return sum(math.prod(s) for s in leaf_shapes(shape))


def build(shape: Shape, make: Callable[[tuple[int, ...]], Any]) -> Vector:
    """The vector of this shape whose arrays are `make(shape of the array)`."""
    return tuple(build(s, make) for s in shape) if is_product(shape) else make(shape)


def transform(function: Callable[[Any], Any], vector: Vector) -> Vector:
    """The vector of `function(array)`."""
    if isinstance(vector, tuple):
        return tuple(transform(function, part) for part in vector)
    return function(vector)


def reciprocal(vector: Vector) -> Vector:
    """1 / vector, and 0 where an element is zero or too small to have a reciprocal."""

    def of(leaf: Any) -> Any:
        xp = arrays.namespace(leaf)
        some = leaf > np.finfo(leaf.dtype).tiny
        return xp.where(some, 1 / xp.where(some, leaf, 1), 0).astype(leaf.dtype)

    return transform(of, vector)


def empty(shape: Shape, like: Vector) -> Vector:
    """Uninitialised vector on the machine and in the dtype of the vector `like`."""
    model = leaves(like)[0]
    return build(shape, lambda s: arrays.like(model, s))


def copy(vector: Vector) -> Vector:
    def one(array: Any) -> Any:
        out = arrays.like(array)
        out[...] = array
        return out

    return transform(one, vector)


UNIT_EXPONENT = 32  # units are powers of 2³²: that of data between 2⁻¹⁶ and 2¹⁶ is 1
LARGEST_UNIT = {4: 96, 8: 480}  # bytes of a float → exponent: 1/unit, unit² are normal numbers


def unit_of(vector: Vector) -> float:
    """The power of 2³² next to the largest magnitude: 1 for ordinary numbers and for zeros.

    A division by it is exact.  Squares of the quotients neither under- nor overflow in float32."""
    every = [leaf for leaf in leaves(vector) if leaf.size]
    most = max((max(float(leaf.max()), -float(leaf.min())) for leaf in every), default=0.0)
    if not (0 < most < math.inf):
        return 1.0
    limit = LARGEST_UNIT[every[0].dtype.itemsize]
    exponent = UNIT_EXPONENT * round(math.frexp(most)[1] / UNIT_EXPONENT)
    return math.ldexp(1.0, min(max(exponent, -limit), limit))


def divided(vector: Vector, number: float) -> Vector:
    """vector / number in new memory; the vector itself for 1."""

    def one(array: Any) -> Any:
        out = arrays.like(array)
        return arrays.namespace(array).divide(array, array.dtype.type(number), out=out)

    return vector if number == 1 else transform(one, vector)


def fill(vector: Vector, value: float) -> Vector:
    for leaf in leaves(vector):
        leaf[...] = value
    return vector


def add(y: Vector, x: Vector) -> None:
    """y ← y + x"""
    for a, b in zip(leaves(y), leaves(x), strict=True):
        a += b


def subtract(y: Vector, x: Vector) -> None:
    """y ← y − x"""
    for a, b in zip(leaves(y), leaves(x), strict=True):
        a -= b


def multiply(y: Vector, x: Vector) -> None:
    """y ← x ∘ y, element by element; the arrays of x may be broadcast."""
    for a, b in zip(leaves(y), leaves(x), strict=True):
        a *= b


def dots(a: Vector, b: Vector, axis: Axis = None) -> Numbers:
    """⟨a, b⟩ of each slice in float64, summed in an order that depends on this slice only."""
    return _summed(arrays.dots, a, b, axis)


def distances(a: Vector, b: Vector, axis: Axis = None) -> Numbers:
    """‖a − b‖² of each slice; as `dots`."""
    return _summed(arrays.distances, a, b, axis)


def sums(a: Vector, axis: Axis = None) -> Numbers:
    """The sum of each slice in float64, in an order that depends on this slice only."""
    total = np.zeros(1)
    for leaf, where in zip(leaves(a), leaf_axes(axis, a), strict=True):
        view, xp = arrays.sliced(leaf, where), arrays.namespace(leaf)
        each = (xp.ascontiguousarray(view[:, i]) for i in range(view.shape[1]))
        total = total + np.array([float(one.sum(dtype=np.float64)) for one in each])
    return total


def _summed(function: Callable[..., Numbers], a: Vector, b: Vector, axis: Axis) -> Numbers:
    total = np.zeros(1)
    for p, q, where in zip(leaves(a), leaves(b), leaf_axes(axis, a), strict=True):
        total = total + function(p, q, where)
    return total


def slice_count(shape: Shape, axis: Axis) -> int:
    """Number of slices of a vector of this shape."""
    if axis is None:
        return 1
    return slice_count(shape[0], axis[0]) if isinstance(axis, tuple) else shape[axis]


def scale_add(y: Vector, b: Numbers, a: Numbers, x: Vector, axis: Axis, active: Any) -> Numbers:
    """y ← b y + a x with b and a of each slice; returns ‖y‖² of each slice.

    One pass over memory.  Inactive slices keep every bit."""
    total = np.zeros(1)
    for p, q, where in zip(leaves(y), leaves(x), leaf_axes(axis, y), strict=True):
        total = total + arrays.combine(p, b, a, q, where, active)
    return total


def step_within(
    x: Vector, t: Numbers, d: Vector, bounds: tuple[float, float], axis: Axis, active: Any
) -> tuple[Numbers, Numbers]:
    """x ← x + t d, clipped to bounds, in the active slices: one pass over memory.

    Returns ‖x − previous x‖² and ‖x‖² of each slice."""
    moved = size = np.zeros(1)
    for p, q, where in zip(leaves(x), leaves(d), leaf_axes(axis, x), strict=True):
        m, n = arrays.step(p, t, q, bounds, where, active)
        moved, size = moved + m, size + n
    return moved, size


def per_slice_broadcast(numbers: Numbers, shape: Shape, axis: Axis) -> Any:
    """Numbers per slice, shaped to broadcast against a vector of this shape.

    A float for a vector without slices, else host arrays (n, 1, …), in a tuple for a tuple."""
    if axis is None:
        return float(numbers[0])
    if isinstance(axis, tuple):
        return tuple(per_slice_broadcast(numbers, s, a) for s, a in zip(shape, axis, strict=True))
    return numbers.reshape(-1, *(1,) * (len(shape) - axis - 1))


def peaks(vector: Vector, axis: Axis, over: Vector = None) -> Numbers:
    """The largest element of each slice of a non-negative vector, or of `vector / over`.

    over: of the same shape, positive."""
    most = np.zeros(slice_count(transform(lambda leaf: leaf.shape, vector), axis))
    divisors = [None] * len(leaves(vector)) if over is None else leaves(over)
    parts = zip(leaves(vector), divisors, leaf_axes(axis, vector), strict=True)
    for leaf, divisor, where in parts:
        if leaf.size:
            values = leaf if divisor is None else leaf / divisor
            peak = values.max(axis=tuple(a for a in range(leaf.ndim) if a != where))
            most = np.maximum(most, arrays.to_host(peak).astype(np.float64).reshape(-1))
    return most


def largest(values: Vector, shape: Shape, axis: Axis) -> Numbers:
    """max |value| of each slice of a vector of this shape, to which the values broadcast."""
    most = np.zeros(slice_count(shape, axis))
    parts = zip(leaves(values), leaf_shapes(shape), leaf_axes(axis, values), strict=True)
    for leaf, full, where in parts:
        wide = abs(arrays.to_host(leaf)).reshape((1,) * (len(full) - leaf.ndim) + leaf.shape)
        others = tuple(i for i in range(wide.ndim) if i != where)
        most = np.maximum(most, wide.max(axis=others, initial=0).astype(np.float64))
    return most


class Constants:
    """Constant vectors of an operator, cached by machine and dtype of x."""

    def __init__(self, values: Vector) -> None:
        self.values = values
        self._moved: dict[Any, Vector] = {}

    def beside(self, x: Vector) -> Vector:
        """The values on the machine of x, floats in its dtype."""
        model = leaves(x)[0]
        key = (arrays.is_device(model), np.dtype(model.dtype))
        if key not in self._moved:

            def move(values: Any) -> Any:
                moved = arrays.to_device(values, "cuda" if key[0] else "cpu")
                return moved.astype(key[1], copy=False) if moved.dtype.kind == "f" else moved

            self._moved[key] = transform(move, self.values)
        return self._moved[key]

    def __getstate__(self) -> dict[str, Any]:
        return {"values": self.values, "_moved": {}}


def leaf_axes(axis: Axis, vector: Vector) -> list[int | None]:
    if not isinstance(vector, tuple):
        return [axis]  # type: ignore[list-item]
    parts = (None,) * len(vector) if axis is None else axis
    return [a for one, v in zip(parts, vector, strict=True) for a in leaf_axes(one, v)]  # type: ignore[arg-type]


def checked(where: str, vector: Vector, shape: Shape, weights: bool = False) -> Vector:
    """The vector as native, C-contiguous floats.  Raises ArgumentError if it does not fit.

    weights: whether the call takes weights of the elements, for the advice about masks."""
    if is_product(shape):
        if not isinstance(vector, tuple | list) or len(vector) != len(shape):
            raise ArgumentError(
                f"{where}: expected a tuple of {len(shape)} arrays shaped {shape}, "
                f"got {_describe(vector)}"
            )
        parts = tuple(checked(where, v, s, weights) for v, s in zip(vector, shape, strict=True))
        dtypes = {leaf.dtype for leaf in leaves(parts)}
        if len(dtypes) > 1:
            raise ArgumentError(f"{where}: expected one dtype in the tuple, got {dtypes}")
        return parts
    wanted = f"{where}: expected an array of {shape}, got"
    plain = hasattr(vector, "shape") and not hasattr(vector, "in_shape")  # not an operator
    if not (plain or hasattr(vector, "__array__")):
        remedy = "; convert it with np.asarray(x, np.float32)" if np.iterable(vector) else ""
        raise ArgumentError(f"{wanted} {_describe(vector)}{remedy}")
    vector = arrays.plain(where, vector, weights)
    if arrays.is_device(vector):  # CuPy's own, or a tensor of another library
        vector = arrays.namespace(vector).asarray(vector)
    dtype = np.dtype(vector.dtype)
    remedy = "; split it with pr.as_real" if dtype.kind == "c" else ""
    if tuple(vector.shape) != shape:
        raise ArgumentError(f"{wanted} {_describe(vector)}{remedy}")
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        remedy = remedy or "; convert it with .astype(np.float32)"
        raise ArgumentError(f"{where}: expected float32 or float64, got {dtype}{remedy}")
    if arrays.is_device(vector):
        return arrays.namespace(vector).ascontiguousarray(vector)
    return np.asarray(vector, dtype.newbyteorder("="), order="C")


def assign(y: Vector, x: Vector, axis: Axis = None, active: Any = (True,)) -> None:
    """y ← x in the active slices."""
    for p, q, where in zip(leaves(y), leaves(x), leaf_axes(axis, y), strict=True):
        if all(active):
            p[...] = q
        elif where is not None:
            for i in np.flatnonzero(active):
                part = (slice(None),) * where + (slice(i, i + 1),)
                p[part] = q[part]


def check_out(where: str, out: Vector, shape: Shape, like: Vector) -> None:
    """Raise ArgumentError unless `out` can hold the result of a call on the vector `like`."""
    model = leaves(like)[0]
    fits = isinstance(out, tuple) == is_product(shape) and [
        getattr(leaf, "shape", None) for leaf in leaves(out)
    ] == leaf_shapes(shape)
    if not fits or any(
        leaf.dtype != model.dtype
        or not leaf.flags["C_CONTIGUOUS"]
        or arrays.is_device(leaf) != arrays.is_device(model)
        for leaf in leaves(out)
    ):
        raise ArgumentError(
            f"{where}: expected out as C-contiguous {model.dtype} of {shape} on the machine of the "
            f"input, got {_describe(out)}"
        )
    if not arrays.is_device(model) and any(
        np.may_share_memory(a, b) for a in leaves(out) for b in leaves(like)
    ):
        raise ArgumentError(f"{where}: expected out apart from the input, got overlapping memory")


def check_finite(where: str, vector: Vector, weights: bool = False) -> None:
    """Raise ArgumentError for NaN and infinity, with their number.

    weights: whether the call takes weights of the elements."""
    for leaf in leaves(vector):
        if not arrays.all_finite(leaf):
            finite = arrays.namespace(leaf).isfinite(leaf)
            advice = "fill them" + (", and give data the weight 0 there" if weights else "")
            raise ArgumentError(
                f"{where}: expected finite values, got {leaf.size - int(finite.sum())} NaN or "
                f"infinite of {leaf.size}; {advice}"
            )


def checked_finite(where: str, vector: Vector, shape: Shape, weights: bool = False) -> Vector:
    """`checked` and `check_finite`."""
    vector = checked(where, vector, shape, weights)
    check_finite(where, vector, weights)
    return vector


def broadcastable(where: str, values: Any, shape: Shape) -> Vector:
    """The values as finite float arrays that multiply a vector of this shape."""
    if is_product(shape):
        if not isinstance(values, tuple | list) or len(values) != len(shape):
            raise ArgumentError(f"{where}: expected a tuple of {len(shape)} arrays, got {values!r}")
        return tuple(broadcastable(where, v, s) for v, s in zip(values, shape, strict=True))
    array = arrays.plain(where, values)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(f"{where}: expected real numbers, got {array.dtype}")
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    try:
        fits = np.broadcast_shapes(array.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ArgumentError(
            f"{where}: expected values that broadcast to {shape}, got {array.shape}"
        )
    check_finite(where, array)
    return array


def _describe(vector: Any) -> str:
    if isinstance(vector, tuple):
        return "(" + ", ".join(_describe(part) for part in vector) + ")"
    if hasattr(vector, "shape") and not hasattr(vector, "in_shape"):
        return f"{getattr(vector, 'dtype', 'array')} of {tuple(vector.shape)}"
    return type(vector).__name__


def default_slice_axis(shape: Shape) -> Axis:
    """Slice axis of a volume: 0 for a shape of three axes, otherwise None."""
    return 0 if len(shape) == 3 and not is_product(shape) else None


def shape_of_one_slice(shape: Shape, axis: int) -> Shape:
    """The shape of one slice."""
    return (*shape[:axis], 1, *shape[axis + 1 :])
