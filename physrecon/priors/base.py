"""Base class of priors: penalties  weight · R(x)  for knowledge of x that is not in the data.

`capabilities` lists the forms in which solvers may use a prior:

    "quadratic"  ½ ‖L x‖²                 `quadratic_operator` is L; solved with the data
    "smooth"     has a gradient           `values_and_gradient`, `lipschitz`
    "prox"       has a proximal map       `prox`:  argmin_u  step · prior(u) + ½ ‖u − x‖²
    "composed"   g(K x), K linear         `operator` is K, `conjugate_prox` is that of g
    "infimal"    min_v g(K (x, v))        as "composed", with v of the second part of K.in_shape
    "surrogate"  is below a parabola      `surrogate`: separable over voxels, touches at x

Moreau's identity  z = prox_{t g}(z) + t prox_{g*/t}(z/t)  gives the proximal map of g from that of
its conjugate g*, and vice versa (Moreau 1965).

A sum of smooth priors is smooth.  The sum  g₁(K₁ x) + g₂(K₂ x)  is  g(K x)  with K = [K₁; K₂]; the
proximal map of g acts on its two parts separately.  The proximal map of the sum itself does not
follow from those of its terms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Shape, Vector
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.operators.stacks import LinearStack
from physrecon.priors.constraints import Constraint

SUMMABLE = ("quadratic", "smooth", "composed", "surrogate")


@dataclass(frozen=True)
class Prior:
    """weight · R(x); subclasses are frozen dataclasses.  weight: positive and finite.

    holds: number of volumes held besides those of the solver.  solver: default method of a job.
    degree: k of  R(s x) = sᵏ R(x), with the settings `in_units_of_x` multiplied by s too; None if
    there is none.  So the weight has the unit of f / xᵏ.

    >>> prior = pr.L1(0.5) + pr.Tikhonov(2.0)  # priors add up
    >>> prior.value(np.array([1.0, -3.0]))  # 0.5 · 4 + ½ 2 · 10
    12.0
    >>> pr.L1(0.5).with_weight(0.1)
    L1(weight=0.1)
    """

    weight: float

    holds: ClassVar[int]
    solver: ClassVar[str]
    degree: ClassVar[int | None] = None
    in_units_of_x: ClassVar[tuple[str, ...]] = ()
    capabilities: ClassVar[tuple[str, ...]] = ()
    convex: ClassVar[bool] = True
    has_value: ClassVar[bool] = True  # else `values` is 0
    elementwise: ClassVar[bool] = False  # a sum over the elements of x: see `clip_to`

    def __post_init__(self) -> None:
        self._keep_positive("weight")

    def _keep_positive(self, name: str) -> None:
        """Store a setting as a finite float > 0.  Raises ArgumentError."""
        value: float = getattr(self, name)
        where = f"{type(self).__name__}.{name}"
        if not (vectors.is_real(value) and math.isfinite(value) and value > 0):
            raise ArgumentError(f"{where}: expected a finite number > 0, got {value!r}")
        # A NumPy number would turn float32 arrays into float64.
        object.__setattr__(self, name, float(value))

    @classmethod
    def settings(cls) -> dict[str, Field[Any]]:
        """Name → field of the settings of a job: plain values, without weight and stopping rule."""
        plain = (field for field in fields(cls) if field.type in ("bool", "int", "float", "str"))
        others = ("weight", "tolerance", "iterations")
        return {field.name: field for field in plain if field.name not in others}

    def with_weight(self, weight: float) -> Self:
        return replace(self, weight=weight)

    def in_units(self, x: float, f: float) -> Prior | None:
        """The prior R' of x in multiples of `x` and values of `f`:  R(x · u) = f R'(u).

        None for a prior without a degree."""
        if self.degree is None:
            return None
        settings = {name: getattr(self, name) / x for name in self.in_units_of_x}
        return replace(self, weight=self.weight * x**self.degree / f, **settings)

    def couples(self, axis: Axis, shape: Shape) -> bool:
        """Whether slices along `axis` depend on each other, for x of this shape."""
        raise NotImplementedError

    def value(self, x: Vector) -> float:
        """The value of the prior at x; x must be finite."""
        for leaf in vectors.leaves(x):
            vectors.check_finite(f"{type(self).__name__}(x)", leaf)
        return float(self.values(x).sum())

    def values(self, x: Vector, axis: Axis = None) -> Numbers:
        """The value per slice along an axis that the prior does not couple, or (1,)."""
        raise NotImplementedError

    # "quadratic"

    def quadratic_operator(self, shape: Shape) -> LinearOperator:
        """L in  prior(x) = ½ ‖L x‖²."""
        raise NotImplementedError

    # "smooth"

    def values_and_gradient(self, x: Vector, axis: Axis, out: Vector) -> tuple[Numbers, Vector]:
        """Add the gradient to `out`; returns the values and `out`."""
        raise NotImplementedError

    def lipschitz(self, shape: Shape) -> float:
        """A certified upper bound of the curvature, for x of this shape."""
        raise NotImplementedError

    # "prox"

    def prox(self, x: Vector, step: Any, constraint: Constraint | None = None) -> Vector:
        """x ← argmin_u  step · prior(u) + ½ ‖u − x‖²  over u within the constraint.

        step: a number, or an array with one number per slice that broadcasts to x."""
        raise NotImplementedError

    def has_prox(self, shape: Shape, constraint: Constraint | None) -> bool:
        """Whether `prox`, or else a gradient, handles x of this shape with the constraint."""
        return "prox" in self.capabilities or "smooth" in self.capabilities

    def guess_shapes(self, shape: Shape) -> tuple[Shape, ...]:
        """Shapes (components, *shape) of the arrays from which `near_prox` starts.

        () for a proximal map that is not iterated.  The arrays are zero at first."""
        return ()

    def near_prox(
        self,
        x: Vector,
        step: Any,
        constraint: Constraint | None,
        y: Vector,
        guess: Vector,
        slack: Any = 0.0,
    ) -> Vector:
        """x ← u, near enough to `prox` for a solver that moves from y to u; see `priors.near`.

        guess: arrays of `guess_shapes`, updated: those of the last map of the same solver.
        slack: δ, in the shape of `step`; problems of one slice share it."""
        raise NotImplementedError

    # "composed"

    def operator(self, shape: Shape) -> LinearOperator:
        """K in  prior(x) = g(K x)."""
        raise NotImplementedError

    def conjugate_prox(self, q: Vector, sigma: Any) -> Vector:
        """q ← prox_{σ g*}(q).  sigma: a number, or arrays that broadcast to those of q.

        Elements that g couples, such as the components of a gradient, need the same σ."""
        raise NotImplementedError

    def composed_prox(self, z: Vector, step: Any) -> Vector:
        """z ← prox_{t g}(z)"""
        return moreau(self.conjugate_prox, z, step)

    # "surrogate"

    def surrogate(
        self, x: Vector, axis: Axis, scale: Numbers, gradient: Vector, curvature: Vector
    ) -> None:
        """Add g and c of  prior(u) ≤ prior(x) + ⟨g, u − x⟩ + ½ ⟨c, (u − x)²⟩  for u, x ≥ 0.

        gradient += g, curvature += c.  scale: a typical x > 0 per slice; kinks of the prior may be
        smoothed relative to it.  `surrogate_values` returns the values of the smoothed prior."""
        raise NotImplementedError

    def surrogate_values(self, x: Vector, axis: Axis, scale: Numbers) -> Numbers:
        """`values` of the prior, smoothed as in `surrogate`."""
        return self.values(x, axis)

    def __add__(self, other: Any) -> Prior:
        return PriorSum((self, other)) if isinstance(other, Prior) else NotImplemented


@dataclass(frozen=True, init=False)
class PriorSum(Prior):
    """R₁(x) + R₂(x) + …, made by `+`; nested sums are flattened.  Holds one term's volumes at a
    time.

    weight: that of the first term; `with_weight` multiplies all weights by one factor.  The range
    of its operators is a tuple with one part per prior.

    >>> prior = pr.TotalVariation(1.0) + pr.L1(0.5)
    >>> prior.value(np.array([0.0, 2.0, 2.0]))  # a step of 2, and half of 4
    4.0
    >>> [p.weight for p in prior.with_weight(10.0).priors]
    [10.0, 5.0]
    """

    priors: tuple[Prior, ...]

    def __init__(self, priors: Sequence[Prior]) -> None:
        if not priors or not all(isinstance(prior, Prior) for prior in priors):
            raise ArgumentError(f"PriorSum: expected a sequence of priors, got {priors!r}")
        terms = [t for p in priors for t in (p.priors if isinstance(p, PriorSum) else (p,))]
        object.__setattr__(self, "priors", tuple(terms))
        object.__setattr__(self, "weight", terms[0].weight)
        if not self.capabilities:
            raise ArgumentError(
                f"PriorSum: expected priors that are all one of {', '.join(SUMMABLE)}, got "
                + ", ".join(f"{type(t).__name__} ({', '.join(t.capabilities)})" for t in terms)
            )

    @property
    def capabilities(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(kind for kind in SUMMABLE if all(kind in p.capabilities for p in self.priors))

    @property
    def convex(self) -> bool:  # type: ignore[override]
        return all(prior.convex for prior in self.priors)

    def with_weight(self, weight: float) -> Self:
        first = self.priors[0].with_weight(weight)
        factor = first.weight / self.weight
        others = (prior.with_weight(factor * prior.weight) for prior in self.priors[1:])
        return type(self)((first, *others))

    def in_units(self, x: float, f: float) -> Prior | None:
        terms = [prior.in_units(x, f) for prior in self.priors]
        return None if None in terms else type(self)(terms)  # type: ignore[arg-type]

    def couples(self, axis: Axis, shape: Shape) -> bool:
        return any(prior.couples(axis, shape) for prior in self.priors)

    def values(self, x: Vector, axis: Axis = None) -> Numbers:
        return sum(prior.values(x, axis) for prior in self.priors)  # type: ignore[return-value]

    def values_and_gradient(self, x: Vector, axis: Axis, out: Vector) -> tuple[Numbers, Vector]:
        values = [prior.values_and_gradient(x, axis, out)[0] for prior in self.priors]
        return sum(values), out  # type: ignore[return-value]

    def lipschitz(self, shape: Shape) -> float:
        return sum(prior.lipschitz(shape) for prior in self.priors)

    def quadratic_operator(self, shape: Shape) -> LinearOperator:
        return LinearStack([prior.quadratic_operator(shape) for prior in self.priors], join=False)

    def operator(self, shape: Shape) -> LinearOperator:
        return LinearStack([prior.operator(shape) for prior in self.priors], join=False)

    def conjugate_prox(self, q: Vector, sigma: Any) -> Vector:
        for prior, part, s in self._parts(q, sigma):
            prior.conjugate_prox(part, s)
        return q

    def composed_prox(self, z: Vector, step: Any) -> Vector:
        for prior, part, t in self._parts(z, step):
            prior.composed_prox(part, t)
        return z

    def surrogate(
        self, x: Vector, axis: Axis, scale: Numbers, gradient: Vector, curvature: Vector
    ) -> None:
        for prior in self.priors:
            prior.surrogate(x, axis, scale, gradient, curvature)

    def surrogate_values(self, x: Vector, axis: Axis, scale: Numbers) -> Numbers:
        return sum(prior.surrogate_values(x, axis, scale) for prior in self.priors)  # type: ignore[return-value]

    def _parts(self, vector: Vector, numbers: Any) -> Any:
        each = numbers if isinstance(numbers, tuple) else (numbers,) * len(self.priors)
        return zip(self.priors, vector, each, strict=True)


def moreau(conjugate_prox: Callable[[Vector, Any], Vector], z: Vector, step: Any) -> Vector:
    """z ← prox_{t g}(z) = z − t prox_{g*/t}(z/t)."""
    steps = per_leaf(step, z)
    q = vectors.copy(z)
    for part, t in zip(vectors.leaves(q), steps, strict=True):
        part /= t
    conjugate_prox(q, vectors.transform(lambda t: 1 / t, step))
    for out, part, t in zip(vectors.leaves(z), vectors.leaves(q), steps, strict=True):
        part *= t
        out -= part
    return z


def per_leaf(numbers: Any, vector: Vector) -> list[Any]:
    """One factor per array of the vector, from a number, an array, or a tuple of them.

    Array factors get the machine and dtype of their array."""

    def beside(value: Any, leaf: Any) -> Any:
        if np.ndim(value) == 0:
            return float(value)
        return arrays.to_device(value, "cuda" if arrays.is_device(leaf) else "cpu").astype(
            leaf.dtype, copy=False
        )

    leaves = vectors.leaves(vector)
    each = vectors.leaves(numbers) if isinstance(numbers, tuple) else [numbers] * len(leaves)
    return [beside(value, leaf) for value, leaf in zip(each, leaves, strict=True)]


def clip_to(where: str, x: Vector, constraint: Constraint | None) -> Vector:
    """Project the prox of an elementwise prior onto the bounds.

    Over an interval, a convex function of one variable is least at the point nearest to its free
    minimum.  So projecting afterwards is exact for a sum over elements, and only for such a sum."""
    if constraint is None:
        return x
    if constraint.bounds is None:
        raise ArgumentError(
            f"{where}.prox: expected NonNegative() or Box(...), got {constraint!r}; use PDHG or "
            "ADMM, which keep prior and constraint apart"
        )
    return constraint.project(x)


def refuse_constraint(where: str, constraint: Constraint | None) -> None:
    """Raise ArgumentError for a constraint: it has no closed-form prox together with the prior."""
    if constraint is not None:
        raise ArgumentError(
            f"{where}.prox: expected no constraint, got {constraint!r}, for the two together have "
            "no closed form; use PDHG or ADMM, which keep them apart"
        )


def check_integers(where: str, values: Any) -> None:
    if not isinstance(values, tuple | list) or not all(vectors.is_whole(v) for v in values):
        raise ArgumentError(f"{where}: expected whole numbers, got {values!r}")


def checked_axes(where: str, axes: Any) -> tuple[int, ...] | None:
    """Axes as a tuple of whole numbers, or None.  Raises ArgumentError."""
    if axes is None:
        return None
    check_integers(where, axes)
    return tuple(int(axis) for axis in axes)
