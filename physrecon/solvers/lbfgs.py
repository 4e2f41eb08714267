"""Quasi-Newton steps from the last m changes of x and of the gradient, L-BFGS:

    x ← x + α d,  d = −H ∇F(x),  H y = s for the pairs s = x⁺ − x, y = ∇F(x⁺) − ∇F(x)

H, an estimate of the inverse of the curvature, is never formed: two loops over the pairs apply it
(Nocedal, Math. Comput. 35 (1980) 773; Liu and Nocedal, Math. Program. 45 (1989) 503).  Pairs
without positive curvature are left out, so that d leads down though F is not convex.  Elements that
the gradient holds at a bound are taken out of the loops and stay there, as in the projected Newton
methods of Bertsekas, SIAM J. Control Optim. 20 (1982) 221."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from physrecon import spaces
from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.line_search import descent, first_step, inside, keep, projected, search
from physrecon.solvers.state import VECTOR, State, fresh, ratio
from physrecon.spaces import Numbers, Vector


@dataclass
class LBFGSState(State):
    """gradient: ∇F(x).  s, y: the pairs; that of iteration k is number k mod memory.
    Of each slice, objective: F(x), scale: of H before the pairs, inverses (slices, memory):
    1 / ⟨s, y⟩, or 0 for a pair that is not used."""

    gradient: Vector = field(metadata=VECTOR)
    s: tuple[Vector, ...] = field(metadata=VECTOR)
    y: tuple[Vector, ...] = field(metadata=VECTOR)
    objective: Numbers
    scale: Numbers
    inverses: Numbers


@dataclass(frozen=True)
class LBFGS:
    """Any likelihood with a gradient, convex or not, A linear or not; smooth priors, constraints.

    memory: m, the number of pairs.  No step to choose: a line search finds it, and the objective
    never rises.  A constraint without bounds of its elements (other than NonNegative and Box) is
    honoured too, with more steps along the gradient.  Holds x, ∇F, d, the trial point and 2 m
    volumes more, and one data set besides the measured one."""

    memory: int = 10

    name: ClassVar[str] = "lbfgs"
    state_type: ClassVar[type[State]] = LBFGSState
    takes_prior: ClassVar[tuple[str, ...]] = ("smooth",)
    takes_constraint: ClassVar[bool] = True
    certified: ClassVar[bool] = True
    holds: ClassVar[tuple[int, int]] = (2, 24)

    def __post_init__(self) -> None:
        if not isinstance(self.memory, Integral) or self.memory < 1:
            raise ArgumentError(f"LBFGS.memory: expected a whole number > 0, got {self.memory!r}")
        object.__setattr__(self, "holds", (2, 4 + 2 * int(self.memory)))

    def start(self, problem: Problem, x0: Vector = None) -> LBFGSState:
        fields = fresh(problem, x0)
        objective, fields["value"], gradient = problem.objective_and_gradient(fields["x"])
        return LBFGSState(
            **fields,
            gradient=gradient,
            s=(),
            y=(),
            objective=objective,
            scale=first_step(objective, spaces.dots(gradient, gradient, problem.axis)),
            inverses=np.zeros((problem.count, self.memory)),
        )

    def advance(self, problem: Problem, state: LBFGSState) -> LBFGSState:
        axis, active = problem.axis, state.active
        d, slope = self._direction(problem, state)
        slot = state.iteration % self.memory
        if slot == len(state.s):
            state.s += (spaces.fill(spaces.empty(problem.f.A.in_shape, state.x), 0),)
            state.y += (spaces.fill(spaces.empty(problem.f.A.in_shape, state.x), 0),)
        s, y = state.s[slot], state.y[slot]
        spaces.assign(s, state.x, axis, active)
        spaces.assign(y, state.gradient, axis, active)
        one = np.ones(len(active))
        found = search(problem, state, d, slope, state.objective, one, wolfe=True)
        state.objective = np.where(active, found.objective, state.objective)
        squares = spaces.scale_add(s, -one, one, state.x, axis, active)
        lengths = spaces.scale_add(y, -one, one, state.gradient, axis, active)
        products = spaces.dots(s, y, axis)
        rounding = np.finfo(spaces.leaves(s)[0].dtype).eps
        curved = products > rounding * np.sqrt(squares * lengths)
        inverses = np.where(curved, ratio(1.0, products), 0)
        state.inverses[:, slot] = np.where(active, inverses, state.inverses[:, slot])
        state.scale = np.where(active & curved, ratio(products, lengths), state.scale)
        return state

    def _direction(self, problem: Problem, state: LBFGSState) -> tuple[Vector, Numbers]:
        """d and the slope along it."""
        shape = problem.f.A.in_shape
        steepest = projected(problem, state, state.scale, state.scratch("trial", shape))
        free = inside(problem, steepest)
        spaces.subtract(steepest, state.x)
        d = state.scratch("direction", shape)
        spaces.assign(d, state.gradient)
        self._apply(problem, state, d, free)
        return d, descent(problem, state, d, steepest, free)

    def _apply(self, problem: Problem, state: LBFGSState, d: Vector, free: Any) -> None:
        """d ← −H d, on the elements that are free."""
        axis, every = problem.axis, np.ones(len(state.active), bool)
        one, none = np.ones(len(every)), np.zeros(len(every))
        newest = [(state.iteration - 1 - i) % self.memory for i in range(len(state.s))]
        weights = {}
        keep(d, free)
        for i in newest:
            weights[i] = state.inverses[:, i] * spaces.dots(state.s[i], d, axis)
            spaces.scale_add(d, one, -weights[i], state.y[i], axis, every)
        # Pairs know how elements at a bound pull at the others; what is held does not pull.
        keep(d, free)
        spaces.scale_add(d, -state.scale, none, d, axis, every)
        for i in reversed(newest):
            weight = weights[i] + state.inverses[:, i] * spaces.dots(state.y[i], d, axis)
            spaces.scale_add(d, one, -weight, state.s[i], axis, every)
        keep(d, free)
