"""Priors for channels of shared structure: the nuclear norm, ‖·‖_* = Σ singular values.

    NuclearNorm                weight · ‖X‖_*            X: channels × voxels
    NuclearTotalVariation      weight · Σ_v ‖J_v‖_*      J_v: directions × channels at the voxel v

The nuclear norm is the convex substitute for the rank (Fazel 2002).  Low rank means that few
spectra explain all voxels, or that the edges of all channels are parallel (Holt 2014; Duran et al.
2016).

Both proximal maps change singular values s and keep singular vectors (Cai, Candès & Shen 2010).
With the small Gram matrix  M Mᵀ = V diag(s²) Vᵀ  they are  M ← V diag(factor(s)) Vᵀ M.  Squaring
loses singular values below 1e-8 of the largest to rounding."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Shape
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.operators.calculus import Gradient
from physrecon.operators.diagonal import Identity
from physrecon.priors.base import Prior, check_integers, checked_axes, refuse_constraint
from physrecon.priors.constraints import Constraint

CHUNK = 1 << 13  # voxels per block on the CPU: their small matrices fit the caches
CHUNK_GPU = 1 << 20  # voxels per block on a GPU
SWEEPS = 4  # of Jacobi rotations over a 3 × 3 matrix: each squares the off-diagonal elements


@dataclass(frozen=True)
class NuclearNorm(Prior):
    """weight · ‖X‖_*; each row of X is a channel of x.  Holds no volume of its own.

    channel_axis: axis of the channels in x, such as the energies of a spectral scan.

    >>> x = np.outer([1.0, 2.0], [2.0, 0.0, 1.0]).reshape(2, 1, 3)  # two channels, of rank 1
    >>> f"{pr.NuclearNorm(1.0).value(x):.3f}"  # the only singular value, √5 · √5
    '5.000'
    """

    channel_axis: int = 0

    degree: ClassVar[int | None] = 1
    capabilities: ClassVar[tuple[str, ...]] = ("prox", "composed")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integers("NuclearNorm.channel_axis", (self.channel_axis,))

    def couples(self, axis: Axis, shape: Shape) -> bool:
        return True

    def operator(self, shape: Shape) -> LinearOperator:
        _axis_within("NuclearNorm.channel_axis", self.channel_axis, shape)
        return Identity(shape)

    def values(self, x: Any, axis: Axis = None) -> Numbers:
        gram = self._gram(self._matrix(x))
        if not np.isfinite(gram).all():
            return np.full(1, np.nan)
        squares = np.linalg.eigvalsh(gram)
        return np.array([self.weight * float(np.sqrt(np.maximum(squares, 0)).sum())])

    def prox(self, x: Any, step: Any, constraint: Constraint | None = None) -> Any:
        refuse_constraint("NuclearNorm", constraint)
        return self.composed_prox(x, step)

    def conjugate_prox(self, q: Any, sigma: Any) -> Any:
        """Projection onto singular values ≤ `weight`; independent of σ."""
        return self._change(q, lambda s: _cut(s, self.weight))

    def composed_prox(self, z: Any, step: Any) -> Any:
        """Reduce singular values by step · weight, down to 0.  step: one number."""
        if np.size(step) != 1:
            raise ArgumentError(
                "NuclearNorm.prox: expected one step, for x is one matrix, got an array of "
                f"{np.shape(step)}"
            )
        t = self.weight * float(arrays.to_host(step).reshape(()))
        return self._change(z, lambda s: 1 - _cut(s, t))

    def _matrix(self, x: Any) -> Any:
        """A view (outer, channels, inner) of x; outer · inner are the columns of X."""
        where = _axis_within("NuclearNorm.channel_axis", self.channel_axis, x.shape)
        return arrays.sliced(x, where)

    def _gram(self, matrix: Any) -> np.ndarray:
        gram = arrays.namespace(matrix).einsum("ocn,odn->cd", matrix, matrix, dtype=np.float64)
        return arrays.to_host(gram)

    def _change(self, x: Any, factor: Callable[[Any], Any]) -> Any:
        """M ← V diag(factor(s)) Vᵀ M in place; NaN or infinity anywhere sets all of x to NaN."""
        matrix = self._matrix(x)
        gram = self._gram(matrix)
        if not np.isfinite(gram).all():
            x[...] = np.nan
            return x
        squares, V = np.linalg.eigh(gram)
        small = (V * factor(np.sqrt(np.maximum(squares, 0)))) @ V.T
        small = arrays.to_device(small, "cuda" if arrays.is_device(x) else "cpu")
        for outer, inner in _blocks(matrix):
            block = matrix[outer, :, inner]
            block[...] = arrays.namespace(x).einsum("cd,odn->ocn", small, block)
        return x


@dataclass(frozen=True)
class NuclearTotalVariation(Prior):
    """weight · Σ_v ‖J_v‖_*, J_v the Jacobian of the channels of x at voxel v.

    Edges of unlike direction in the channels give J_v rank 2 and cost more than parallel edges.
    With one channel it is isotropic total variation.  Holds K x for a value, and almost nothing in
    a prox, which needs the same σ within each J_v.

    channel_axis: axis of the channels in x.  axes: one to three axes of x to differentiate along;
    None: all others.  spacing: voxel spacing, one number or one per axis.

    >>> x = np.zeros((2, 5, 5))
    >>> x[0, :, 2:] = 3  # an edge in both channels, of heights 3 and 4
    >>> x[1, :, 2:] = 4
    >>> f"{pr.NuclearTotalVariation(1.0).value(x):.3f}"  # 5 rows of √(3² + 4²)
    '25.000'
    """

    channel_axis: int = 0
    axes: tuple[int, ...] | None = None
    spacing: float | tuple[float, ...] = 1.0

    degree: ClassVar[int | None] = 1
    capabilities: ClassVar[tuple[str, ...]] = ("composed",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integers("NuclearTotalVariation.channel_axis", (self.channel_axis,))
        object.__setattr__(self, "axes", checked_axes("NuclearTotalVariation.axes", self.axes))
        spacing = self.spacing if isinstance(self.spacing, tuple | list) else (self.spacing,)
        if not all(vectors.is_real(h) and 0 < h < math.inf for h in spacing):
            raise ArgumentError(
                f"NuclearTotalVariation.spacing: expected numbers > 0, got {self.spacing!r}"
            )

    def couples(self, axis: Axis, shape: Shape) -> bool:
        channel, axes = self._axes_within(shape)
        return axis == channel or axis in axes

    def operator(self, shape: Shape) -> LinearOperator:
        return Gradient(shape, self.spacing, self._axes_within(shape)[1])

    def values(self, x: Any, axis: Axis = None) -> Numbers:
        q = self.operator(x.shape).forward(x)
        if axis is None:
            return np.array([self._value_of(q)])
        before = (slice(None),) * (axis + 1)  # type: ignore[operator]
        slices = (q[(*before, slice(i, i + 1))] for i in range(x.shape[axis]))
        return np.array([self._value_of(one) for one in slices])

    def _value_of(self, q: Any) -> float:
        J, total = self._jacobians(q), 0.0
        for outer, inner in _blocks(J[0]):
            squares, _ = _diagonalized(_grams(J[:, outer, :, inner]))
            total += float(arrays.namespace(q).sqrt(squares.clip(0)).sum())
        return self.weight * total

    def conjugate_prox(self, q: Any, sigma: Any) -> Any:
        """Projection of each J_v onto singular values ≤ `weight`; independent of σ."""
        xp, J = arrays.namespace(q), self._jacobians(q)
        for outer, inner in _blocks(J[0]):
            block = J[:, outer, :, inner]
            squares, V = _diagonalized(_grams(block))
            factors = _cut(xp.sqrt(squares.clip(0)), self.weight)
            small = xp.einsum("akv,kv,bkv->abv", V, factors, V)
            small = small.reshape(*small.shape[:2], block.shape[1], 1, block.shape[3])
            block[...] = (small * block).sum(axis=1)
        return q

    def _jacobians(self, q: Any) -> Any:
        """A view (directions, outer, channels, inner) of q: outer · inner matrices J_v."""
        channel, _ = self._axes_within(q.shape[1:])
        outer = math.prod(q.shape[1 : channel + 1])
        return q.reshape(len(q), outer, q.shape[channel + 1], -1)

    def _axes_within(self, shape: Shape) -> tuple[int, tuple[int, ...]]:
        """channel_axis and axes as nonnegative indices, for x of this shape."""
        where = "NuclearTotalVariation"
        channel = _axis_within(f"{where}.channel_axis", self.channel_axis, shape)
        if self.axes is None:
            axes = tuple(axis for axis in range(len(shape)) if axis != channel)
        else:
            axes = tuple(_axis_within(f"{where}.axes", axis, shape) for axis in self.axes)
        if channel in axes or len(set(axes)) != len(axes) or not 1 <= len(axes) <= 3:
            raise ArgumentError(
                f"{where}.axes: expected one to three axes of x beside the channel axis {channel}, "
                f"got {axes} for x of {shape}"
            )
        return channel, axes


def _cut(s: Any, limit: float) -> Any:
    """The factor that turns s into min(s, limit)."""
    return limit / s.clip(limit)


def _blocks(matrices: Any) -> Iterator[tuple[slice, slice]]:
    """Yield slices of the outer and inner axis of (outer, channels, inner), one chunk each."""
    chunk = CHUNK_GPU if arrays.is_device(matrices) else CHUNK
    outer, _, inner = matrices.shape
    step = max(1, chunk // max(1, inner))
    for o in range(0, outer, step):
        for i in range(0, inner, chunk):
            yield slice(o, o + step), slice(i, i + chunk)


def _grams(J: Any) -> Any:
    """J Jᵀ (directions, directions, voxels) of J (directions, outer, channels, inner)."""
    products = arrays.namespace(J).einsum("aocn,bocn->abon", J, J, dtype=np.float64)
    return products.reshape(len(J), len(J), -1)


def _diagonalized(G: Any) -> tuple[Any, Any]:
    """Eigenvalues (d, n) and eigenvectors (d, d, n), in columns, of symmetric G (d, d, n).

    Jacobi (1846).  G is overwritten; matrices are independent, so NaN affects only its own."""
    xp, d = arrays.namespace(G), len(G)
    V = xp.zeros_like(G)
    for k in range(d):
        V[k, k] = 1
    for _ in range(SWEEPS if d > 2 else 1):
        for p, q in combinations(range(d), 2):
            tangent, c, s = _rotation(G[p, p], G[p, q], G[q, q])
            shift = tangent * G[p, q]
            G[p, p] -= shift
            G[q, q] += shift
            G[p, q] = 0
            for r in set(range(d)) - {p, q}:
                _turn(G[min(p, r), max(p, r)], G[min(q, r), max(q, r)], c, s)
            _turn(V[:, p], V[:, q], c, s)
    return xp.stack([G[k, k] for k in range(d)]), V


def _rotation(a: Any, b: Any, d: Any) -> tuple[Any, Any, Any]:
    """Tangent, cosine, sine of the rotation by at most 45° that diagonalises [[a, b], [b, d]]."""
    xp = arrays.namespace(a)
    gap = abs(d - a)
    gap += xp.sqrt(gap * gap + 4 * b * b)
    gap[gap == 0] = 1
    tangent = xp.copysign(2, d - a) * b / gap
    cosine = 1 / xp.sqrt(1 + tangent * tangent)
    return tangent, cosine, tangent * cosine


def _turn(x: Any, y: Any, c: Any, s: Any) -> None:
    """(x, y) ← (c x − s y, s x + c y)"""
    turned = c * x - s * y
    y *= c
    y += s * x
    x[...] = turned


def _axis_within(where: str, axis: int, shape: Shape) -> int:
    """The axis as a nonnegative index.  Raises ArgumentError."""
    if not -len(shape) <= axis < len(shape):
        raise ArgumentError(f"{where}: expected an axis of x of {shape}, got {axis}")
    return int(axis) % len(shape)
