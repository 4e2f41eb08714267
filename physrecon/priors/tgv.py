"""Total generalised variation of second order: images that are piecewise affine, with edges.

    TGV(x) = min_v  Σ |∇x − v| + ratio · Σ |E v|             Bredies, Kunisch & Pock (2010)

E v is the symmetric gradient, |·| the Euclidean or Frobenius norm at a voxel.  PDHG and ADMM take
v as a second variable.  For the value and the proximal map, the iteration of
`kernels.generalised_variation` finds the minimum over v, with voxels of size 1.  For |q| ≤ r₀,
p = Eᵀ q with |p| ≤ r₁, v = f − ∇ᵀp and P the projection on the bounds, the objective of (u, w)
exceeds its minimum by no more than

    Σ (r₁ |∇u − w| + r₀ |E w| − ⟨∇u, p⟩)  +  ½ ‖u − v‖² − ½ ‖P(v) − v‖²

for u within the bounds; q is scaled so that |p| ≤ r₁."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Shape, Vector
from physrecon.operators.base import LinearOperator
from physrecon.operators.calculus import Lattice, gradient_norm, lattice
from physrecon.priors.constraints import FREE
from physrecon.priors.near import Near
from physrecon.priors.rof import RELAX, beside, next_check, parts, per_problem
from physrecon.priors.tgv_operator import GradientAndStrain, pair_norm
from physrecon.priors.variation import IteratedVariation, arranged, slice_sums

Bounds = tuple[float, float]

FIRST_STEP, LAST_STEP = 1.0, 1e-2  # largest and smallest τ; it shrinks like 1/k in between
NEAR_STEP = 0.3  # first τ from the variables of the last map, which a larger one would undo
VALUE_STEP = 0.1  # τ with u fixed, for gradients of mean square 1


@dataclass(frozen=True)
class TGV(IteratedVariation):
    """weight · min_v Σ |∇x − v| + ratio · Σ |E v|.

    ratio: a length in the unit of `spacing`; features that curve over larger lengths are free.
    axes, spacing: as in `TotalVariation`.

    prox and value stop when their objective is certified to exceed its minimum by at most the
    fraction `tolerance`, when rounding prevents this, or after `iterations`.  Uncoupled slices stop
    independently.  Holds 2 + 5d + d² volumes besides x, d being the number of axes; if slices are
    uncoupled, only for those solved together; FISTA holds 2d + d(d + 1)/2 more, see
    `TotalVariation`.  PDHG and ADMM take both variables together, without an inner iteration.

    >>> ramp = np.arange(7.0).repeat(7).reshape(7, 7)
    >>> pr.TotalVariation(1.0).value(ramp), pr.TGV(1.0).value(ramp) < 0.1  # a ramp is free
    (42.0, True)
    """

    ratio: float = 2.0
    tolerance: float = field(default=1e-4, kw_only=True)
    iterations: int = field(default=3000, kw_only=True)

    holds: ClassVar[int] = 38
    solver: ClassVar[str] = "pdhg"
    capabilities: ClassVar[tuple[str, ...]] = ("infimal", "prox")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._keep_positive("ratio")

    def values(self, x: Any, axis: Axis = None) -> Numbers:
        steps = self.steps(x.shape)
        free = [a for a in range(x.ndim) if a not in steps]
        u = arranged(x, free, steps)
        shape = u.shape[len(free) :]
        each = np.zeros(math.prod(u.shape[: len(free)]))
        unit = vectors.unit_of(x)
        if x.size:
            u = vectors.divided(u, unit)
            self._inner(list(steps.values()), shape).measure(u.reshape(-1, *shape), each)
        each *= unit * self.weight / min(steps.values())
        return slice_sums(each.reshape(u.shape[: len(free)]), free, axis)

    def composed_values(self, image: Vector, axes: Axis) -> Numbers:
        """g of an image (∇x − v, E v) per slice, which is at least the value of x.

        axes: of the slices in the two parts, or None."""
        smallest = min(self.steps(image[0].shape[1:]).values())
        radii = self.weight / smallest * np.array([1, self.ratio / smallest])
        total = np.zeros(1)
        for radius, part, axis in zip(radii, image, vectors.leaf_axes(axes, image), strict=True):
            sizes = arrays.namespace(part).sqrt((part * part).sum(axis=0))
            total = total + radius * vectors.sums(sizes, None if axis is None else axis - 1)
        return total

    def operator(self, shape: Shape) -> LinearOperator:
        """(x, v) ↦ (∇x − v, E v) with the shortest spacing as the unit of length."""
        steps = self.steps(shape)
        smallest = min(steps.values())
        return GradientAndStrain(shape, tuple(h / smallest for h in steps.values()), tuple(steps))

    def conjugate_prox(self, q: Vector, sigma: Any) -> Vector:
        """Projection onto |p| ≤ r₁ and |q| ≤ r₀; independent of σ."""
        smallest = min(self.steps(q[0].shape[1:]).values())
        radius = self.weight / smallest
        self._project(q[0], True, radius)
        self._project(q[1], True, radius * self.ratio / smallest)
        return q

    def guess_shapes(self, shape: Shape) -> tuple[Shape, ...]:
        """Those of p and q, the dual variables of ∇x − v and E v, and of v."""
        d = len(self.steps(shape))
        return tuple((components, *shape) for components in (d, d * (d + 1) // 2, d))

    def _denoise(
        self,
        f: Any,
        radii: Numbers,
        spacing: list[float],
        bounds: Bounds,
        near: Near | None,
    ) -> None:
        self._inner(spacing, f.shape[1:]).denoise(f, radii / min(spacing), bounds, near)

    def _inner(self, spacing: list[float], shape: Shape) -> Iteration:
        smallest = min(spacing)
        at = lattice("TGV", shape, {i: h / smallest for i, h in enumerate(spacing)})
        return Iteration(at, self.ratio / smallest, self.tolerance, self.iterations)


@dataclass(frozen=True)
class Iteration:
    """Solver for problems of one shape.  at: lattice of one problem.  ratio: r₀ / r₁ in voxels."""

    at: Lattice
    ratio: float
    tolerance: float
    iterations: int

    def denoise(self, f: Any, radii: Numbers, bounds: Bounds, near: Near | None = None) -> None:
        """f (problems, …) ← the solutions.  radii (problems,): r₁.  near: with fields p, q, w."""
        for part in parts(f):
            self._run(f[part], radii[part], bounds, None, near and near.part(part))
        if bounds != FREE:
            arrays.namespace(f).clip(f, *bounds, out=f)

    def measure(self, u: Any, values: Numbers) -> None:
        """values (problems,) ← min_w Σ |∇u − w| + ratio Σ |E w|, u (problems, …)."""
        from physrecon.kernels import stencils

        for part in parts(u):
            scaled = arrays.like(u[part])
            data = self.at.flat(u[part])
            rise = arrays.like(data, self._field(data, len(self.at.axes)))
            stencils.gradient(self.at.scales_in(u.dtype), self.at.layout, data, rise)
            squares = per_problem(rise * rise, scaled.shape[0], len(self.at.axes)).sum(0)
            scale = np.sqrt(squares / math.prod(scaled.shape[1:]))
            scale[~(scale > 0)] = 1
            for i, c in enumerate(scale.tolist()):
                scaled[i] = u[part][i] * (1 / c)
            found = np.zeros(scaled.shape[0])
            self._run(scaled, np.ones(scaled.shape[0]), FREE, found, None)
            values[part] = found * scale

    def _run(
        self, f: Any, radii: Numbers, bounds: Bounds, values: Numbers | None, near: Near | None
    ) -> None:
        """f ← u; if `values` is given, u stays fixed at f and values ← the penalties."""
        from physrecon.kernels import generalised_variation, stencils

        number, d, frozen = f.dtype.type, len(self.at.axes), values is not None
        data, count = self.at.flat(f), f.shape[0]
        head = (self.at.scales_in(f.dtype), self.at.layout)
        u, u_ahead = arrays.like(data), arrays.like(data)
        u[...] = data
        p, q, w = self._starts(data) if near is None else near.starts(radii, self.at.flat)
        w_ahead = arrays.zeros_like(w)
        following, tau = next_check, FIRST_STEP
        if frozen:
            stencils.gradient(*head, u, w)
            tau = VALUE_STEP
        elif near is not None:
            following, tau = near.next_check, NEAR_STEP
            stencils.adjoint(*head, p, u)
            arrays.namespace(f).clip(data - u, *bounds, out=u)
        square = pair_norm(gradient_norm(f.shape[1:], range(d), self.at.spacing)) ** 2
        radius = beside(np.stack([radii, self.ratio * radii]).astype(f.dtype), f)
        limits = tuple(number(b) for b in bounds)
        running, check = np.ones(count, bool), following(0)
        for k in range(1, self.iterations + 1):
            look = k in (check, self.iterations)
            theta = 1 / math.sqrt(1 + 2 * tau) if tau > LAST_STEP and not frozen else 1.0
            of_u = 0.0 if frozen else tau
            relax = 1.0 if look else RELAX
            sizes = (of_u, 1 / (tau * square), theta, relax - 1, 1 / (1 + of_u), tau)
            steps, active = tuple(number(s) for s in sizes), beside(running, f)
            generalised_variation.primal(
                *(*head, steps, limits, active, data, p, q, u, w, w_ahead, u_ahead)
            )
            generalised_variation.dual(*(*head, steps, radius, active, u_ahead, w_ahead, q, p))
            tau *= theta
            if not look:
                continue
            check = following(k)
            gaps, objectives, penalties, floors = self._gaps(
                *(head, radii, bounds, frozen, data, u, w, q, u_ahead, w_ahead)
            )
            wanted = self.tolerance * objectives
            wanted = wanted if near is None else np.maximum(wanted, near.allowed(u))
            closed = ~(gaps > wanted + floors)  # NaN ends it, too
            within_reach = self.tolerance > np.finfo(f.dtype).eps
            done = running & (closed & within_reach | (k == self.iterations))
            for i in np.flatnonzero(done):
                if values is None:
                    f[i] = u.reshape(f.shape)[i]
                else:
                    values[i] = penalties[i]
            if near is not None:
                near.keep(np.flatnonzero(done), [p, q, w], radii)
            running &= ~done
            if not running.any():
                return

    def _starts(self, data: Any) -> tuple[Any, Any, Any]:
        """p, q, w of zeros."""
        d = len(self.at.axes)
        sizes = (d, d * (d + 1) // 2, d)
        p, q, w = (arrays.zeros_like(data, self._field(data, n)) for n in sizes)
        return p, q, w

    def _gaps(
        self,
        head: Any,
        radii: Numbers,
        bounds: Bounds,
        frozen: bool,
        f: Any,
        u: Any,
        w: Any,
        q: Any,
        v: Any,
        p: Any,
    ) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Gap, objective, r₁ |∇u − w| + r₀ |E w|, and the rounding error of the gap.

        v and p are work arrays."""
        from physrecon.kernels import stencils, strain

        xp, count, d = arrays.namespace(f), len(radii), len(self.at.axes)

        def norms(field: Any) -> Any:
            components = field.reshape(-1, *f.shape)
            return xp.sqrt((components * components).sum(axis=0))

        def sums(array: Any) -> Numbers:
            return per_problem(array, count, 1)[0]

        strain.stress(*head, q, p)
        largest = np.array([float(n.max()) for n in norms(p).reshape(count, -1)])
        fit = np.minimum(1, radii / np.where(largest > 0, largest, 1))
        p.reshape(d, count, -1)[...] *= beside(fit.astype(f.dtype), f).reshape(1, count, 1)
        rise = arrays.like(p)
        stencils.gradient(*head, u, rise)
        products = per_problem(rise * p, count, d).sum(0)
        rise -= w
        penalties = radii * sums(norms(rise))
        bend = arrays.like(q)
        strain.strain(*head, w, bend)
        penalties = penalties + self.ratio * radii * sums(norms(bend))
        gaps, objectives = penalties - products, penalties
        if not frozen:
            stencils.adjoint(*head, p, v)
            v *= -1
            v += f
            nearest = xp.clip(v, *bounds) - v
            gaps = gaps + 0.5 * sums((u - v) ** 2 - nearest * nearest)
            objectives = objectives + 0.5 * sums((u - f) ** 2)
        eps = float(np.finfo(f.dtype).eps)
        floors = eps * sum(self.at.scales) * radii * sums(abs(u))
        return gaps, objectives, penalties, floors

    def _field(self, data: Any, components: int) -> tuple[int, ...]:
        return (components * data.shape[0], *data.shape[1:])
