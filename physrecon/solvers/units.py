"""The unit in which a problem is solved: a power of two chosen from the data.

Data in W/m²/Hz are about 1e-26, densities in 1/m³ about 1e20: their squares leave float32.  So
`solve` counts y and x in multiples of a unit s, and f + R in multiples of v:

    f(s x; s y) + R(s x) = v (f'(x; y) + R'(x))

    in units of s        y, x, bounds of Box, δ of Huber and HuberTV, scale of StudentT,
                         the background of counts, the step of Adam and RMSprop, σ of a denoiser
    in units of √v       the discrepancy
    in units of v        f, R
    in units of v / sᵏ   the weight of a prior of degree k: 1 for total variation, TGV, L1, wavelets
                         and nuclear norms, 2 for Tikhonov, 0 for PlugAndPlay
    without a unit       relative tolerances, steps of the other solvers, weights of SIRT and SART

v is s² for squares with weights of ordinary size, s for counts, 1 for Student's t.  s is a power of
two, so multiplying by it rounds nothing: if everything with a unit is multiplied by a power of two,
every number of a run is, except where x itself leaves the range of its type.  s is 1 for data of
ordinary size, for a nonlinear A, for counts behind an absorber, and for a prior or a constraint
without `in_units`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector
from physrecon.problem import Problem
from physrecon.solvers.state import Solver, State


@dataclass(frozen=True)
class Units:
    """x: s.  value: v."""

    x: float = 1.0
    value: float = 1.0

    def start(self, problem: Problem, solver: Solver, x0: Vector) -> State:
        """The state before the first iteration; problem and solver are in these units, x0 not."""
        if x0 is not None and self.x != 1:
            x0 = vectors.divided(vectors.checked("x0", x0, problem.f.A.in_shape), self.x)
        with np.errstate(over="ignore", invalid="ignore"):  # the loop reports what is not finite
            state = solver.start(problem, x0)
        state.data_unit = self.x
        return state

    def enter(self, state: State) -> State:
        """x and f(x) of the state in multiples of the units, in place."""
        return self._multiply(state, 1 / self.x, 1 / self.value)

    def leave(self, state: State) -> State:
        """x and f(x) of the state in the units of the user, in place."""
        return self._multiply(state, self.x, self.value)

    def overflow(self, state: State) -> str:
        """A sentence if x, which is in the units of the user, is beyond the range of its type."""
        leaves = vectors.leaves(state.x)
        if self.x <= 1 or all(arrays.all_finite(leaf) for leaf in leaves):
            return ""
        return (
            f"x is too large for {leaves[0].dtype}: give the data in a larger unit, or as float64"
        )

    def _multiply(self, state: State, x: float, value: float) -> State:
        if x != 1:
            with np.errstate(over="ignore"):  # `overflow` tells
                for leaf in vectors.leaves(state.x):
                    leaf *= leaf.dtype.type(x)
        if state.value is not None:
            state.value = state.value * value
        return state


def in_units(
    problem: Problem, solver: Solver, unit: float | None = None
) -> tuple[Problem, Solver, Units]:
    """Problem and solver in multiples of the unit of the data, or of the given one."""
    f, prior, constraint = problem.f, problem.prior, problem.constraint
    unit = getattr(f, "unit", 1.0) if unit is None else unit
    scaled = None if unit == 1 or not hasattr(f, "in_units") else f.in_units(unit)
    if scaled is None:
        return problem, solver, Units()
    f, value = scaled
    prior = None if prior is None else getattr(prior, "in_units", _none)(unit, value)
    bounds = None if constraint is None else getattr(constraint, "in_units", _none)(unit)
    if (prior is None) != (problem.prior is None) or (bounds is None) != (constraint is None):
        return problem, solver, Units()
    settings = {name: getattr(solver, name) for name in solver.in_units_of_x}
    settings = {name: number / unit for name, number in settings.items() if number is not None}
    solver = replace(solver, **settings) if settings else solver  # type: ignore[type-var]
    return Problem(f, prior, bounds), solver, Units(unit, value)


def _none(*units: float) -> None:
    return None
