"""The problem: minimise  f(x) + prior(x)  over the x that the constraint allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from physrecon.errors import ArgumentError
from physrecon.priors import Constraint


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be solved, apart from how.

    f: a likelihood, such as LeastSquares(A, y).  prior: a penalty with `value` and `prox`.
    constraint: has `project(x)`, such as NonNegative()."""

    f: Any
    prior: Any = None
    constraint: Constraint | None = None

    def __post_init__(self) -> None:
        if not (hasattr(self.f, "values") and hasattr(self.f, "gradient")):
            raise ArgumentError(
                f"Problem.f: expected a likelihood such as LeastSquares(A, y), got {self.f!r}"
            )
        if self.prior is not None and not hasattr(self.prior, "prox"):
            raise ArgumentError(
                f"Problem.prior: expected something with a prox, got {self.prior!r}"
            )
        if self.constraint is not None and not hasattr(self.constraint, "project"):
            raise ArgumentError(
                f"Problem.constraint: expected something that can project, such as NonNegative(), "
                f"got {self.constraint!r}"
            )
