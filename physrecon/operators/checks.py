"""Checks of an operator as a black box: its adjoint, its Jacobian, bounds of its norm.

A solver's step must not exceed a multiple of 1/‖A‖², so ‖A‖ needs a certified upper bound.
For A ≥ 0 and any v > 0,  maxᵢ (AᵀA v)ᵢ / vᵢ ≥ ‖A‖²  (Collatz 1942, Wielandt 1950), while
‖A v‖ / ‖v‖ ≤ ‖A‖ (Rayleigh): the power iteration closes the gap from both sides.  For any other A
the bound is that of a random start (`random_start`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Vector
from physrecon.errors import ArgumentError, require
from physrecon.operators.base import LinearOperator, Operator
from physrecon.operators.random_start import random_start_bounds

FLOOR = 1e-6  # lower limit of the iterated vector relative to its largest element: keeps v > 0
STEPS = 2.0 ** -np.arange(4, 24)  # h of the Taylor test
CLEAR = 1e4  # smallest usable Taylor remainder, in units of the rounding error
ROUNDINGS = 2**14  # rounding errors of one sign in one result that a bound still allows for
SIGNED_ITERATIONS = 20  # enough for a lower bound within a few per cent


def check_adjoint(A: LinearOperator, dtype: Any = None, seed: int = 0) -> float:
    """|⟨A x, y⟩ − ⟨x, Aᵀ y⟩| / (‖A x‖ ‖y‖) for random x and y of zero mean, summed in float64.

    An exact adjoint gives ≤ 1e-6 in float32 and ≤ 1e-12 in float64; one that is off by one index
    gives 1e-3 and more.  dtype: A.dtype unless given.  0.0 for empty spaces.

    >>> pr.check_adjoint(pr.Gradient((5, 7)), np.float64) < 1e-12
    True
    """
    require("check_adjoint", A, LinearOperator, "pr.as_operator(A)")
    rng = np.random.default_rng(seed)
    dtype = np.dtype(A.dtype if dtype is None else dtype)
    x, y = _noise(A.in_shape, dtype, rng), _noise(A.out_shape, dtype, rng)
    ax, aty = A @ x, A.T @ y
    difference = abs(float((vectors.dots(ax, y) - vectors.dots(x, aty))[0]))
    scale = float(np.sqrt(vectors.dots(ax, ax) * vectors.dots(y, y))[0])
    if difference == 0:
        return 0.0
    return difference / scale if scale else float("inf")


TRIED = {4: 1e-4, 8: 1e-8}  # bytes of a float → largest relative difference of a matching pair


def refuse_wrong_adjoint(A: LinearOperator, like: Vector) -> None:
    """Raise ArgumentError if ⟨A x, y⟩ ≠ ⟨x, Aᵀ y⟩ for a random x and y = A x/‖A x‖ + noise.

    One A and one Aᵀ, in the dtype and on the machine of `like`.  The part A x of y makes a wrong
    factor visible in any number of data, the noise an error outside the range of A."""
    model, rng = vectors.leaves(like)[0], np.random.default_rng(0)
    if not (vectors.size(A.in_shape) and vectors.size(A.out_shape)):
        return

    def random(shape: Any) -> Vector:
        device = "cuda" if arrays.is_device(model) else "cpu"
        noise = _noise(shape, np.dtype(model.dtype), rng)
        return vectors.transform(lambda leaf: arrays.to_device(leaf, device), noise)

    x, y = random(A.in_shape), random(A.out_shape)
    with np.errstate(all="ignore"):  # a Jacobian may be infinite at x; then nothing is tried
        ax = A.forward(x)
    size, length = (float(vectors.dots(v, v)[0]) ** 0.5 for v in (ax, y))
    factors = 1 / size if size > 0 else 0.0, 1 / (length or 1.0)
    vectors.scale_add(y, np.array([factors[1]]), np.array([factors[0]]), ax, None, [True])
    one, other = (float(vectors.dots(*pair)[0]) for pair in ((ax, y), (x, A.adjoint(y))))
    allowed = TRIED[model.dtype.itemsize] * max(size, abs(one))
    if not abs(one - other) <= allowed and np.isfinite(size):
        raise ArgumentError(
            f"{type(A).__name__}: expected an adjoint with ⟨A x, y⟩ = ⟨x, Aᵀ y⟩, got {one:.6g} and "
            f"{other:.6g} for a random x and y; mend _adjoint (pr.check_adjoint measures it), or "
            "set proved_adjoint = True in its class if the two differ on purpose"
        )


def check_linearization(F: Operator, x: Vector = None, seed: int = 0) -> float:
    """Order in h of the Taylor remainder ‖F(x + h d) − F(x) − h J d‖ with J = F.linearize(x).

    2 or more for a correct Jacobian, 1 for a wrong one; infinite if the remainder is rounding only,
    as for a linear F.  Computed in float64 on the host, along a random d with ‖d‖ = ‖x‖, from the
    six smallest h whose remainder clearly exceeds rounding.  x: a point where F is smooth; random
    unless given.  `check_adjoint(J)` compares J with its transpose.

    >>> round(pr.check_linearization(pr.Exponential((5, 7))), 1)
    2.0
    """
    rng, shape = np.random.default_rng(seed), F.in_shape
    x = _noise(shape, np.dtype(np.float64), rng) if x is None else x
    x = vectors.transform(arrays.to_host, vectors.checked("check_linearization", x, shape))
    x = flatten(x).astype(np.float64)
    d = rng.standard_normal(x.size)
    d *= (np.linalg.norm(x) or 1) / (np.linalg.norm(d) or 1)

    def at(h: float) -> np.ndarray:
        return flatten(F @ unflatten(x + h * d, shape))

    here, slope = at(0), flatten(F.linearize(unflatten(x, shape)) @ unflatten(d, shape))
    rounding = float(np.finfo(np.float64).eps) * (np.linalg.norm(here) + np.linalg.norm(slope))
    rests = np.array([np.linalg.norm(at(h) - here - h * slope) for h in STEPS])
    clear = np.flatnonzero(rests > CLEAR * rounding)[-6:]
    if len(clear) < 2:
        return float("inf")
    return float(np.polyfit(np.log(STEPS[clear]), np.log(rests[clear]), 1)[0])


def norm_bounds(A: LinearOperator, rtol: float = 0.01, iterations: int = 50) -> tuple[float, float]:
    """(lower, upper) with lower ≤ ‖A‖ ≤ upper, certified, rounding included.

    A ≥ 0: iterated until upper ≤ (1 + rtol) lower, at most `iterations` pairs of A and Aᵀ; then
    the bounds are widened by 2¹⁴ roundings (0.1 % in float32).  Scaled, transposed, diagonal and
    identity operators: exact from their parts.  Signed sums, products and stacks: ‖A‖ + ‖B‖,
    ‖A‖ ‖B‖ and √(‖A‖² + ‖B‖²).  Any other signed operator that does not state `_norm_bounds`: from
    a random start, 5 to 15 % wide, wrong for one operator in 10¹⁰ (`operators.random_start`).

    >>> lower, upper = pr.norm_bounds(pr.Diagonal([1, 2, 4], (3,)))
    >>> lower <= 4 <= upper, upper < 4.01
    (True, True)
    """
    require("norm_bounds", A, LinearOperator, "pr.as_operator(A)")
    lower, upper = slice_norm_bounds(A, rtol, iterations)
    return float(lower.max(initial=0)), float(upper.max(initial=0))


def slice_norm_bounds(
    A: LinearOperator, rtol: float = 0.01, iterations: int = 50
) -> tuple[Numbers, Numbers]:
    """`norm_bounds` of each slice, (slices,) or (1,): no bound depends on another slice."""
    count = A.slice_count
    if not (vectors.size(A.in_shape) and vectors.size(A.out_shape)):
        return np.zeros(count), np.zeros(count)
    one = A.one_slice()
    if one is not None and count > 1:
        lower, upper = slice_norm_bounds(one, rtol, iterations)
        return np.repeat(lower, count), np.repeat(upper, count)

    def parts(B: LinearOperator) -> tuple[Any, Any]:
        low, up = slice_norm_bounds(B, rtol, iterations)
        return (low, up) if A.slices else (low.max(), up.max())

    known = A._norm_bounds(parts)
    if known is None and A.nonnegative:
        return _collatz_wielandt(A, rtol, iterations)
    if known is None:
        return _widened(A, *random_start_bounds(A, iterations))
    lower, upper = (np.array(np.broadcast_to(bound, count), np.float64) for bound in known)
    if ((lower == 0) & (upper > 0)).any():
        lower = np.maximum(lower, _rayleigh(A))
    return np.minimum(lower, upper), upper


def _widened(A: LinearOperator, lower: Numbers, upper: Numbers) -> tuple[Numbers, Numbers]:
    """The bounds with an allowance for rounding."""
    widen = np.sqrt(1 + ROUNDINGS * float(np.finfo(A.dtype).eps))
    return lower / widen, upper * widen


def _collatz_wielandt(A: LinearOperator, rtol: float, iterations: int) -> tuple[Numbers, Numbers]:
    axis = A.slices[0] if A.slices else None
    v = vectors.build(A.in_shape, lambda s: np.ones(s, A.dtype))
    lower, upper = np.zeros(A.slice_count), np.full(A.slice_count, np.inf)
    for _ in range(iterations):
        open_ = upper > (1 + rtol) ** 2 * lower  # converged slices keep their bounds
        if not open_.any():
            break
        y = A.forward(v)
        z = A.adjoint(y)
        rayleigh = vectors.dots(y, y, _range_axis(A)) / vectors.dots(v, v, axis)
        lower = np.where(open_, np.maximum(lower, rayleigh), lower)
        upper = np.where(open_, np.minimum(upper, vectors.peaks(z, axis, over=v)), upper)
        peak = vectors.peaks(z, axis)
        scale = np.where(peak > 0, 1 / np.where(peak > 0, peak, 1), 0)
        vectors.scale_add(v, np.zeros_like(scale), scale, z, axis, np.ones(len(scale), bool))
        for leaf in vectors.leaves(v):
            np.maximum(leaf, FLOOR, out=leaf)
    return _widened(A, np.sqrt(lower), np.sqrt(upper))


def _rayleigh(A: LinearOperator) -> Numbers:
    """Lower bound ‖A v‖ / ‖v‖ of each slice, by power iteration on AᵀA."""
    axis = A.slices[0] if A.slices else None
    v = _noise(A.in_shape, A.dtype, np.random.default_rng(0))
    lower = np.zeros(A.slice_count)
    for _ in range(SIGNED_ITERATIONS):
        y = A.forward(v)
        size = vectors.dots(v, v, axis)
        quotient = vectors.dots(y, y, _range_axis(A)) / np.where(size > 0, size, 1)
        lower = np.maximum(lower, quotient)
        z = A.adjoint(y)
        length = np.sqrt(vectors.dots(z, z, axis))
        scale = 1 / np.where(length > 0, length, 1)
        vectors.scale_add(v, np.zeros_like(scale), scale, z, axis, np.ones(len(scale), bool))
    return np.sqrt(lower / (1 + ROUNDINGS * float(np.finfo(A.dtype).eps)))


def flatten(vector: Vector) -> np.ndarray:
    """The arrays of a vector, end to end."""
    return np.concatenate([leaf.reshape(-1) for leaf in vectors.leaves(vector)])


def unflatten(flat: np.ndarray, shape: Any) -> Vector:
    """The vector of this shape with the elements of a flat array."""
    position = 0

    def take(part: tuple[int, ...]) -> np.ndarray:
        nonlocal position
        start, position = position, position + vectors.size(part)
        return flat[start:position].reshape(part)

    return vectors.build(shape, take)


def _noise(shape: Any, dtype: np.dtype[Any], rng: np.random.Generator) -> Vector:
    """Normal noise of zero mean: a mean would make large sums that hide small errors."""

    def one(part: tuple[int, ...]) -> np.ndarray:
        array = arrays.aligned_empty(part, dtype)
        array[...] = rng.standard_normal(part)
        if array.size > 1:
            array -= array.mean()
        return array

    return vectors.build(shape, one)


def _range_axis(A: LinearOperator) -> Axis:
    return A.slices[1] if A.slices else None
