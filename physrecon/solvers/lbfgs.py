"""Quasi-Newton steps from the last m changes of x and of the gradient, L-BFGS:

    x ← x + α d,  d = −H ∇F(x),  H y = s for the pairs s = x⁺ − x, y = ∇F(x⁺) − ∇F(x)

H estimates the inverse Hessian and is never formed: two loops over the pairs apply it (Nocedal,
Math. Comput. 35 (1980) 773; Liu and Nocedal, Math. Program. 45 (1989) 503).  Pairs without positive
curvature are skipped, so d is a descent direction even if F is not convex.  Elements that the
gradient holds at a bound are excluded from the loops and stay there, as in the projected Newton
methods of Bertsekas, SIAM J. Control Optim. 20 (1982) 221."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.problem import Problem
from physrecon.solvers.finite_start import finite_fields
from physrecon.solvers.line_search import descent, first_step, inside, keep, projected, search
from physrecon.solvers.state import VECTOR, ArraysHeld, Solver, State, ratio


@dataclass
class LBFGSState(State):
    """gradient: ∇F(x).  s, y: the pairs; step k of a slice is in pair k mod memory.
    Of each slice, objective: F(x); scale: factor of the identity from which the pairs build H;
    inverses (slices, memory): 1 / ⟨s, y⟩, or 0 for a skipped pair; taken: number of steps done."""

    descends = True
    gradient: Vector = field(metadata=VECTOR)
    s: tuple[Vector, ...] = field(metadata=VECTOR)
    y: tuple[Vector, ...] = field(metadata=VECTOR)
    objective: Numbers
    scale: Numbers
    inverses: Numbers
    taken: NDArray[np.int64]


@dataclass(frozen=True)
class LBFGS(Solver):
    """Any likelihood with a gradient, convex or not, A linear or not; smooth priors, constraints.

    memory: m, the number of pairs.  A line search finds the step; the objective never rises.  From
    an x0 that makes the counts impossible, A x0 + b = 0 < y, which zeros do, it starts at x0 plus
    the flat volume that explains them.  A constraint other than NonNegative and Box is met too,
    with more steps along the gradient.  Holds x, ∇F, d, the trial point and 2 m volumes more, and
    one data set besides the measured one.

    >>> f = pr.PoissonLikelihood(pr.Diagonal([1, 2], (2,)), np.array([3.0, 8.0]), background=1)
    >>> result = pr.solve(pr.Problem(f, constraint=pr.NonNegative()), pr.LBFGS(), np.ones(2))
    >>> result.x.round(3).tolist()  # x + 1 = 3, 2 x + 1 = 8
    [2.0, 3.5]
    """

    memory: int = 10

    iterations = 30
    state_type = LBFGSState
    accepts = ("smooth",)
    holds = ArraysHeld(data=2, volumes=24)

    def __post_init__(self) -> None:
        self._check_whole("memory")
        object.__setattr__(self, "holds", ArraysHeld(2, 4 + 2 * int(self.memory)))

    def start(self, problem: Problem, x0: Vector = None) -> LBFGSState:
        fields, objective, gradient = finite_fields(self, problem, x0)
        return LBFGSState(
            **fields,
            gradient=gradient,
            s=(),
            y=(),
            objective=objective,
            scale=first_step(objective, vectors.dots(gradient, gradient, problem.axis)),
            inverses=np.zeros((problem.count, self.memory)),
            taken=np.zeros(problem.count, np.int64),
        )

    def advance(self, problem: Problem, state: LBFGSState) -> LBFGSState:
        axis, active = problem.axis, state.active
        d, slope = self._direction(problem, state)
        places = self._places(state, -1)
        for slot, which in places:
            while len(state.s) <= slot:
                state.s += (vectors.fill(vectors.copy(d), 0),)
                state.y += (vectors.fill(vectors.copy(d), 0),)
            vectors.assign(state.s[slot], state.x, axis, which)
            vectors.assign(state.y[slot], state.gradient, axis, which)
        one = np.ones(len(active))
        found = search(problem, state, d, slope, state.objective, one, wolfe=True)
        state.objective = np.where(active, found.objective, state.objective)
        for slot, which in places:
            self._learn(problem, state, slot, which)
        state.taken = state.taken + active
        return state

    def _direction(self, problem: Problem, state: LBFGSState) -> tuple[Vector, Numbers]:
        """d and the slope along it."""
        shape = problem.f.A.in_shape
        steepest = projected(problem, state, state.scale, state.scratch("trial", shape))
        free = inside(problem, steepest)
        vectors.subtract(steepest, state.x)
        d = state.scratch("direction", shape)
        vectors.assign(d, state.gradient)
        self._apply(problem, state, d, free)
        return d, descent(problem, state, d, steepest, free)

    def _apply(self, problem: Problem, state: LBFGSState, d: Vector, free: Any) -> None:
        """d ← −H d on the free elements, by the two loops."""
        axis, one = problem.axis, np.ones(len(state.active))
        pairs = [pair for age in range(len(state.s)) for pair in self._places(state, age)]
        weights = []
        keep(d, free)
        for slot, which in pairs:
            weights.append(state.inverses[:, slot] * vectors.dots(state.s[slot], d, axis))
            vectors.scale_add(d, one, -weights[-1], state.y[slot], axis, which)
        # The pairs couple free elements to those held at a bound; set the held ones to 0 again.
        keep(d, free)
        vectors.scale_add(d, -state.scale, 0 * one, d, axis, state.active)
        for (slot, which), first in zip(reversed(pairs), reversed(weights), strict=True):
            weight = first + state.inverses[:, slot] * vectors.dots(state.y[slot], d, axis)
            vectors.scale_add(d, one, -weight, state.s[slot], axis, which)
        keep(d, free)

    def _learn(self, problem: Problem, state: LBFGSState, slot: int, which: Any) -> None:
        """Turn the x and ∇F stored before the step into the pair (s, y), in the slices `which`."""
        axis, one, s, y = problem.axis, np.ones(len(which)), state.s[slot], state.y[slot]
        squares = vectors.scale_add(s, -one, one, state.x, axis, which)
        lengths = vectors.scale_add(y, -one, one, state.gradient, axis, which)
        products = vectors.dots(s, y, axis)
        rounding = np.finfo(vectors.leaves(s)[0].dtype).eps
        curved = products > rounding * np.sqrt(squares * lengths)
        inverses = np.where(curved, ratio(1.0, products), 0)
        state.inverses[:, slot] = np.where(which, inverses, state.inverses[:, slot])
        state.scale = np.where(which & curved, ratio(products, lengths), state.scale)

    def _places(self, state: LBFGSState, age: int) -> list[tuple[int, Any]]:
        """(slot, slices) of the pair that is `age` steps old, 0 for the last, −1 for the next.

        There is one slot unless slices have paused for different numbers of steps."""
        slots = (state.taken - 1 - age) % self.memory
        known = state.active & (state.taken > age)
        return [(int(slot), known & (slots == slot)) for slot in np.unique(slots[known])]
