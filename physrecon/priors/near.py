"""Iterated proximal maps that are as accurate as the solver around them needs.

A solver moves from a point y to u ≈ prox(f).  The duality gap of u is the sum ½ ‖e‖² + ε of an
error e of f and of an ε-subgradient.  A gap of at most ½ σ² ‖u − y‖² is small enough: FISTA
converges as with exact maps for steps of (1 − σ²)/L (Monteiro and Svaiter, SIAM J. Optim. 23 (2013)
1092).  In their proof the gap of iteration k counts t² ~ k²/4 times, so a further δ of it changes
the constant alone, and not the rate 1/k², if Σ k² δ is finite; so do errors of Schmidt, Le Roux and
Bach (NeurIPS 2011).  δ = ½ ‖x₁ − x₀‖² / k^3.1: maps of the first hundred iterations then take a few
steps each, and not many of them where y is nearly at rest.  The dual variables of the last map are
where the next one starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays.vectors import Numbers

RELATIVE = 0.1  # σ²
SLACK_POWER = 3.1  # of 1/k in δ; above 3
FIRST_CHECK, CHECKS = 4, 4  # iterations between gaps: at least 4, later k / 4


@dataclass(frozen=True)
class Near:
    """The point y of the solver, and the variables of the last map, which are updated.

    origin: y, (problems, …).  fields: each (components, problems, …), in multiples of r.
    slack: δ of each problem."""

    origin: Any
    fields: tuple[Any, ...]
    slack: Numbers

    def part(self, some: slice) -> Near:
        """That of some problems."""
        fields = tuple(field[:, some] for field in self.fields)
        return Near(self.origin[some], fields, self.slack[some])

    def starts(self, radii: Numbers, flat: Any) -> list[Any]:
        """The fields, contiguous, times r; `flat` shapes them for kernels."""
        return [flat(field * self._of_each(radii, field)) for field in self.fields]

    def keep(self, problems: Any, found: list[Any], radii: Numbers) -> None:
        """Store the fields of the problems with these indices, divided by r."""
        for field, values in zip(self.fields, found, strict=True):
            inverse = self._of_each(1 / radii, field)
            for i in problems:
                one = values.reshape(field.shape)[:, i]
                arrays.namespace(field).multiply(one, inverse[:, i], out=field[:, i])

    def allowed(self, u: Any) -> Numbers:
        """½ σ² ‖u − y‖² + δ of each problem."""
        moved = u.reshape(self.origin.shape) - self.origin
        squares = arrays.to_host(moved * moved).reshape(len(moved), -1)
        norms = np.array([np.sum(row, dtype=np.float64) for row in squares])
        return 0.5 * RELATIVE * norms + self.slack

    @staticmethod
    def next_check(k: int) -> int:
        """The iteration of the next gap, after a gap at iteration k."""
        return k + max(FIRST_CHECK, k // CHECKS)

    @staticmethod
    def _of_each(numbers: Numbers, field: Any) -> Any:
        where = "cuda" if arrays.is_device(field) else "cpu"
        shape = (1, -1, *(1,) * (field.ndim - 2))
        return arrays.to_device(numbers.astype(field.dtype).reshape(shape), where)


def slack(first: Numbers, k: int) -> Numbers:
    """δ of iteration k.  first: ‖x₁ − x₀‖² of each slice, 0 while it is unknown."""
    return 0.5 * first / k**SLACK_POWER
