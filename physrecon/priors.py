"""What is known of the volume before it is measured: constraints now, penalties to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from physrecon import arrays, spaces
from physrecon.spaces import Vector


class Constraint(Protocol):
    """A closed convex set of volumes; slices of a volume are constrained each on its own."""

    def project(self, x: Vector) -> Vector:
        """Move x, in place, to the nearest point of the set, and return it."""
        ...


@dataclass(frozen=True)
class NonNegative:
    """x ≥ 0: an attenuation, a density, a number of photons.  NaN stays NaN."""

    def project(self, x: Any) -> Any:
        for leaf in spaces.leaves(x):
            arrays.namespace(leaf).maximum(leaf, 0, out=leaf)
        return x
