"""Expectation and maximisation of counts: what it does to volumes, each step one pass over memory.

With F = Aᵀ(y / (A x + b)) and a = Aᵀ 1, the bound of f that touches it at x is  Σ a u − x F log u
up to a constant: a sum over voxels (De Pierro, IEEE Trans. Med. Imaging 14 (1995) 132).  A prior
adds a bound of its own, Σ g (u − x) + ½ c (u − x)².  Where the sum of the two is least, at u,
f + prior is no larger than at x, and neither is it at the nearest point to u within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors as arrays_vectors
from physrecon.arrays.vectors import Axis, Numbers, Vector
from physrecon.likelihoods.base import compact, split

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
    """x ← u in the active slices; ‖change‖² and ‖x‖² of each.

    factor: F, used up.  columns: a, which broadcasts against x."""
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
    """factor ← u, last ← u − x in the active slices; ⟨u − x, last as it was⟩ and ‖u − x‖²."""
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
    """x ← z + α (z − before), at least ½ z and within bounds, then before ← z; active slices only.

    Returns ‖change of x‖² and ‖x‖² of each."""
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
    """One array of x as the kernels see it; numbers of slices are numbers of its middle axis."""

    x: Any
    axis: int | None

    @property
    def shape(self) -> tuple[int, int, int]:
        return split(self.x.shape, self.axis)

    def view(self, array: Any) -> Any:
        return array.reshape(self.shape)

    def view_of_some(self, array: Any) -> Any:
        """The view, or one without elements where there is no array."""
        return arrays.like(self.x, (0, 0, 0)) if array is None else self.view(array)

    def compact(self, columns: Any) -> Any:
        return compact(columns, self.x.shape, self.axis)

    def table(self, numbers: Any, dtype: Any = None) -> Any:
        host = np.ascontiguousarray(numbers, self.x.dtype if dtype is None else dtype)
        return arrays.to_device(host, "cuda" if arrays.is_device(self.x) else "cpu")

    def per_slice(self, numbers: Any) -> Any:
        return self.table(np.broadcast_to(numbers, self.shape[1]))

    def flags(self, active: Any) -> Any:
        return self.table(np.broadcast_to(active, self.shape[1]), bool)

    def partial(self) -> Any:
        return arrays.partial_sums(self.view(self.x), 2)

    def sums(self, partial: Any) -> np.ndarray:
        """The two sums of each slice, (2, slices) or (2, 1)."""
        outer, slices, _ = self.shape
        if not self.x.size:
            return np.zeros((2, 1 if self.axis is None else slices))
        halves = partial[:outer], partial[outer:]
        if self.axis is None:
            halves = tuple(half.reshape(-1, 1, 1) for half in halves)
        return np.stack([arrays.total(half) for half in halves])


def _parts(axis: Axis, x: Vector, *vectors: Vector | None) -> Iterator[tuple[Any, ...]]:
    """(how it is seen, array of x, those of the other vectors), array by array; None stays None."""
    axes = arrays_vectors.leaf_axes(axis, x)
    others = (repeat(None) if v is None else arrays_vectors.leaves(v) for v in vectors)
    for where, leaf, *rest in zip(axes, arrays_vectors.leaves(x), *others, strict=False):
        yield (_Part(leaf, where), leaf, *rest)
