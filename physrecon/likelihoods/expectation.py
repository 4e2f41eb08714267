"""Volume updates of expectation maximisation for counts, each one pass over memory.

With F = Aᵀ(y / (A x + b)) and a = Aᵀ 1, the bound of f that touches it at x is  Σ a u − x F log u
up to a constant: a sum over voxels (De Pierro, IEEE Trans. Med. Imaging 14 (1995) 132).  A prior
adds its own bound, Σ g (u − x) + ½ c (u − x)².  Let u minimise the sum of both bounds.  Then
f + prior is no larger at u than at x, and neither at the projection of u onto the bounds of x."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors as arrays_vectors
from physrecon.arrays.vectors import Axis, Numbers, Vector
from physrecon.likelihoods.parameters import compact, split

Bounds = tuple[float, float]
Surrogate = tuple[Vector, Vector] | None  # g and c


def multiply(
    x: Vector,
    factor: Vector,
    columns: Vector,
    surrogate: Surrogate,
    bounds: Bounds,
    axis: Axis,
    active: Any,
) -> tuple[Numbers, Numbers]:
    """x ← u in the active slices; returns ‖change‖² and ‖x‖² per slice.

    factor: F, overwritten.  columns: a, which broadcasts to x."""
    from physrecon.kernels import richardson_lucy as kernels

    sums = np.zeros((2, 1))
    for at, p, F, a, g, c in _parts(axis, x, factor, columns, *(surrogate or (None, None))):
        tables, partial = (at.table(bounds), at.flags(active)), at.partial()
        if p.size:
            prior = at.view_of_some(g), at.view_of_some(c)
            kernels.multiply(at.view(p), at.view(F), at.compact(a), *prior, *tables, partial)
        sums = sums + at.sums(partial)
    return sums[0], sums[1]


def propose(
    x: Vector,
    factor: Vector,
    columns: Vector,
    surrogate: Surrogate,
    bounds: Bounds,
    axis: Axis,
    active: Any,
    last: Vector,
) -> tuple[Numbers, Numbers]:
    """factor ← u and last ← u − x in the active slices.

    Returns ⟨u − x, previous last⟩ and ‖u − x‖² per slice."""
    from physrecon.kernels import richardson_lucy as kernels

    sums = np.zeros((2, 1))
    parts = _parts(axis, x, factor, columns, last, *(surrogate or (None, None)))
    for at, p, F, a, d, g, c in parts:
        tables, partial = (at.table(bounds), at.flags(active)), at.partial()
        if p.size:
            prior = at.view_of_some(g), at.view_of_some(c)
            moved = at.view(d), partial
            kernels.propose(at.view(p), at.view(F), at.compact(a), *prior, *tables, *moved)
        sums = sums + at.sums(partial)
    return sums[0], sums[1]


def extrapolate(
    x: Vector, z: Vector, alpha: Numbers, bounds: Bounds, axis: Axis, active: Any, before: Vector
) -> tuple[Numbers, Numbers]:
    """x ← z + α (z − before), at least ½ z and within bounds; then before ← z.

    Active slices only.  Returns ‖change of x‖² and ‖x‖² per slice."""
    from physrecon.kernels import richardson_lucy as kernels

    sums = np.zeros((2, 1))
    for at, p, q, w in _parts(axis, x, z, before):
        tables = at.per_slice(alpha), at.table(bounds), at.flags(active)
        partial = at.partial()
        if p.size:
            kernels.extrapolate(at.view(p), at.view(q), *tables, at.view(w), partial)
        sums = sums + at.sums(partial)
    return sums[0], sums[1]


@dataclass(frozen=True)
class _Part:
    """One array of x in the kernels' shape (outer, slices, inner)."""

    x: Any
    axis: int | None

    @property
    def shape(self) -> tuple[int, int, int]:
        return split(self.x.shape, self.axis)

    def view(self, array: Any) -> Any:
        return array.reshape(self.shape)

    def view_of_some(self, array: Any) -> Any:
        """The view of an array, or an empty one for None."""
        return arrays.like(self.x, (0, 0, 0)) if array is None else self.view(array)

    def compact(self, columns: Any) -> Any:
        return compact(columns, self.x.shape, self.axis)

    def table(self, numbers: Any, dtype: Any = None) -> Any:
        host = np.ascontiguousarray(numbers, self.x.dtype if dtype is None else dtype)
        return arrays.to_device(host, "cuda" if arrays.is_device(self.x) else "cpu")

    def per_slice(self, numbers: Any) -> Any:
        return self.table(np.full(self.shape[1], numbers))

    def flags(self, active: Any) -> Any:
        return self.table(np.full(self.shape[1], active), bool)

    def partial(self) -> Any:
        return arrays.partial_sums(self.view(self.x), 2)

    def sums(self, partial: Any) -> np.ndarray:
        """The two sums per slice, (2, slices) or (2, 1)."""
        outer, slices, _ = self.shape
        if not self.x.size:
            return np.zeros((2, 1 if self.axis is None else slices))
        halves = partial[:outer], partial[outer:]
        if self.axis is None:
            halves = tuple(half.reshape(-1, 1, 1) for half in halves)
        return np.stack([arrays.total(half) for half in halves])


def _parts(axis: Axis, x: Vector, *vectors: Vector | None) -> Iterator[tuple[Any, ...]]:
    """Yield (_Part, array of x, the matching array of each other vector); None stays None."""
    axes = arrays_vectors.leaf_axes(axis, x)
    others = (repeat(None) if v is None else arrays_vectors.leaves(v) for v in vectors)
    for where, leaf, *rest in zip(axes, arrays_vectors.leaves(x), *others, strict=False):
        yield (_Part(leaf, where), leaf, *rest)
