"""Constraints: convex sets that contain x; solvers project onto them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector
from physrecon.errors import ArgumentError

FREE = (-math.inf, math.inf)  # the bounds of x without a constraint


class Constraint(Protocol):
    """A closed convex set of volumes, which constrains each slice independently.

    bounds: (lower, upper) if the set is lower ≤ x ≤ upper, else None.  A constraint that also has
    `in_units(unit)`, the set of x / unit, lets `solve` choose the unit of x."""

    @property
    def bounds(self) -> tuple[float, float] | None: ...

    def project(self, x: Vector) -> Vector:
        """Move x, in place, to the nearest point of the set, and return it."""
        ...


@dataclass(frozen=True)
class Box:
    """lower ≤ x ≤ upper, element by element; either may be infinite.  NaN stays NaN.

    >>> pr.Box(0, 1).project(np.array([-1.0, 0.5, 2.0]))
    array([0. , 0.5, 1. ])
    """

    lower: float = -math.inf
    upper: float = math.inf

    def __post_init__(self) -> None:
        numbers = vectors.is_real(self.lower) and vectors.is_real(self.upper)
        if not (numbers and self.lower < self.upper):  # NaN is refused too
            raise ArgumentError(
                f"Box: expected numbers lower < upper, got {self.lower!r}, {self.upper!r}"
            )
        object.__setattr__(self, "lower", float(self.lower))
        object.__setattr__(self, "upper", float(self.upper))

    @property
    def bounds(self) -> tuple[float, float]:
        return self.lower, self.upper

    def in_units(self, unit: float) -> Box:
        return Box(self.lower / unit, self.upper / unit)

    def project(self, x: Any) -> Any:
        for leaf in vectors.leaves(x):
            arrays.namespace(leaf).clip(leaf, self.lower, self.upper, out=leaf)
        return x


@dataclass(frozen=True)
class NonNegative:
    """x ≥ 0: an attenuation, a density, a number of photons.  NaN stays NaN.

    >>> pr.NonNegative().project(np.array([-1.0, 0.5, 2.0]))
    array([0. , 0.5, 2. ])
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def in_units(self, unit: float) -> NonNegative:
        return self

    def project(self, x: Any) -> Any:
        for leaf in vectors.leaves(x):
            arrays.namespace(leaf).maximum(leaf, 0, out=leaf)
        return x


def is_nonnegative(constraint: Constraint | None) -> bool:
    """True if the constraint excludes negative x."""
    return constraint is not None and (constraint.bounds or FREE)[0] >= 0
