"""Several priors at once:  R₁(x) + R₂(x) + …, made by `+`.

A sum of smooth priors is smooth, and  g₁(K₁ x) + g₂(K₂ x)  is  g(K x)  with K = [K₁; K₂] and g a
sum over its two parts, so the proximal map of g is that of each part.  The proximal map of the sum
itself is not known from those of its terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from physrecon.arrays.vectors import Axis, Numbers, Shape, Vector
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.operators.stacks import LinearStack
from physrecon.priors.base import Prior

SUMMABLE = ("quadratic", "smooth", "split", "surrogate")


@dataclass(frozen=True, init=False)
class PriorSum(Prior):
    """The sum of the priors; sums among them are taken apart.  Holds what its terms hold in turn.

    weight: that of the first; `with_weight` multiplies all weights by one factor, so their
    proportions stay.  The range of its operators is a tuple, one part for each prior."""

    priors: tuple[Prior, ...]

    def __init__(self, priors: Sequence[Prior]) -> None:
        if not priors or not all(isinstance(prior, Prior) for prior in priors):
            raise ArgumentError(f"PriorSum: expected a sequence of priors, got {priors!r}")
        terms = [t for p in priors for t in (p.priors if isinstance(p, PriorSum) else (p,))]
        object.__setattr__(self, "priors", tuple(terms))
        object.__setattr__(self, "weight", terms[0].weight)
        if not self.kinds:
            raise ArgumentError(
                f"PriorSum: expected priors that are all one of {', '.join(SUMMABLE)}, got "
                + ", ".join(f"{type(t).__name__} ({', '.join(t.kinds)})" for t in terms)
            )

    @property
    def kinds(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(kind for kind in SUMMABLE if all(kind in p.kinds for p in self.priors))

    @property
    def convex(self) -> bool:  # type: ignore[override]
        return all(prior.convex for prior in self.priors)

    def with_weight(self, weight: float) -> Self:
        first = self.priors[0].with_weight(weight)
        factor = first.weight / self.weight
        others = (prior.with_weight(factor * prior.weight) for prior in self.priors[1:])
        return type(self)((first, *others))

    def couples(self, axis: Axis, shape: Shape) -> bool:
        return any(prior.couples(axis, shape) for prior in self.priors)

    def values(self, x: Vector, axis: Axis = None) -> Numbers:
        return sum(prior.values(x, axis) for prior in self.priors)  # type: ignore[return-value]

    def values_and_gradient(self, x: Vector, axis: Axis, out: Vector) -> tuple[Numbers, Vector]:
        values = [prior.values_and_gradient(x, axis, out)[0] for prior in self.priors]
        return sum(values), out  # type: ignore[return-value]

    def lipschitz(self, shape: Shape) -> float:
        return sum(prior.lipschitz(shape) for prior in self.priors)

    def root(self, shape: Shape) -> LinearOperator:
        return LinearStack([prior.root(shape) for prior in self.priors], join=False)

    def operator(self, shape: Shape) -> LinearOperator:
        return LinearStack([prior.operator(shape) for prior in self.priors], join=False)

    def conjugate_prox(self, q: Vector, sigma: Any) -> Vector:
        for prior, part, s in self._parts(q, sigma):
            prior.conjugate_prox(part, s)
        return q

    def split_prox(self, z: Vector, step: Any) -> Vector:
        for prior, part, t in self._parts(z, step):
            prior.split_prox(part, t)
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
