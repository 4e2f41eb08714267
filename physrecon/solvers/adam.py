"""Gradient descent with one step per element, scaled by the size of its past gradients:

    m ← β₁ m + (1 − β₁) g;    v ← β₂ v + (1 − β₂) g²;    x ← P(x − c m / (√v + ε))

with c = step √(1 − β₂ᵗ) / (1 − β₁ᵗ) in Adam (Kingma and Ba, ICLR 2015, end of section 2), m = g and
c = step in RMSprop (Tieleman and Hinton, Coursera lecture 6.5, 2012).  Both are made for parameters
of different scale, such as those of networks.  Neither has a guarantee: the objective may rise, and
x finally circles a minimum at a distance of about the step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.line_search import first_step, projected
from physrecon.solvers.state import VECTOR, ArraysHeld, Solver, State, initial_fields, ratio, step_x

EPSILON = 1e-8  # ε, in units of the root mean square of the first gradient
SHARE = 0.1  # default step, in units of the step to the minimum along the first gradient


@dataclass
class AdamState(State):
    """gradient: ∇F(x).  m, v: the running means; RMSprop's m is ().
    Of each slice, unit: scale that gives g = unit · ∇F the root mean square 1 at the start; step;
    taken: number of steps done."""

    gradient: Vector = field(metadata=VECTOR)
    m: Vector = field(metadata=VECTOR)
    v: Vector = field(metadata=VECTOR)
    unit: Numbers
    step: Numbers
    taken: Numbers


@dataclass(frozen=True)
class Adam(Solver):
    """Any likelihood with a gradient, A linear or not; smooth priors, any constraint.

    step: size of the first steps of every element, in units of x: data in other units need another
    step.  None, which needs none: for each slice a tenth of the root mean square of the step to the
    minimum along the first gradient, at the cost of one evaluation more.
    beta1, beta2: memory of m and v.
    Holds x, ∇F, m, v and a volume of scratch, and one data set besides the measured one.

    >>> f = pr.Huber(pr.Identity(3), np.array([1.0, 2.0, 3.0]), delta=1)
    >>> result = pr.solve(pr.Problem(f), pr.Adam(), stop=pr.Stop(iterations=200))
    >>> result.x.round(1).tolist()
    [1.0, 2.0, 3.0]
    """

    step: float | None = None
    beta1: float = 0.9
    beta2: float = 0.999

    iterations = 200
    state_type = AdamState
    accepts = ("smooth",)
    in_units_of_x = ("step",)
    certified = False
    holds = ArraysHeld(data=2, volumes=5)

    def __post_init__(self) -> None:
        _check("Adam", self.step, beta1=self.beta1, beta2=self.beta2)

    def start(self, problem: Problem, x0: Vector = None) -> AdamState:
        state = _start(problem, x0, self.step)
        state.m = vectors.fill(vectors.copy(state.v), 0)
        return state

    def advance(self, problem: Problem, state: AdamState) -> AdamState:
        axis, active, b = problem.axis, state.active, np.full(len(state.active), self.beta1)
        vectors.scale_add(state.m, b, (1 - b) * state.unit, state.gradient, axis, active)
        taken = state.taken + 1
        correction = np.sqrt(1 - self.beta2**taken) / (1 - self.beta1**taken)
        return _advance(problem, state, state.m, self.beta2, correction)


@dataclass(frozen=True)
class RMSprop(Solver):
    """`Adam` without m and without the correction of the first steps.

    step: the step of every element once its gradient is steady, in units of x; the first steps are
    step / √(1 − decay).  None: the first steps are those of Adam.  decay: β₂.
    Holds x, ∇F, v and a volume of scratch, and one data set besides the measured one.

    >>> f = pr.Huber(pr.Identity(3), np.array([1.0, 2.0, 3.0]), delta=1)
    >>> result = pr.solve(pr.Problem(f), pr.RMSprop(step=0.02), stop=pr.Stop(iterations=300))
    >>> result.x.round(1).tolist()
    [1.0, 2.0, 3.0]
    """

    step: float | None = None
    decay: float = 0.9

    iterations = 200
    state_type = AdamState
    accepts = ("smooth",)
    in_units_of_x = ("step",)
    certified = False
    holds = ArraysHeld(data=2, volumes=4)

    def __post_init__(self) -> None:
        _check("RMSprop", self.step, decay=self.decay)

    def start(self, problem: Problem, x0: Vector = None) -> AdamState:
        return _start(problem, x0, self.step, math.sqrt(1 - self.decay))

    def advance(self, problem: Problem, state: AdamState) -> AdamState:
        return _advance(problem, state, (), self.decay, np.ones(len(state.active)))


def _check(where: str, step: float | None, **decays: float) -> None:
    if step is not None and not (vectors.is_real(step) and 0 < step < np.inf):
        raise ArgumentError(f"{where}.step: expected a number > 0 or None, got {step!r}")
    for name, value in decays.items():
        if not (vectors.is_real(value) and 0 <= value < 1):
            raise ArgumentError(f"{where}.{name}: expected 0 <= {name} < 1, got {value!r}")


def _start(problem: Problem, x0: Vector, step: float | None, share: float = 1.0) -> AdamState:
    fields = initial_fields(problem, x0)
    objective, fields["value"], gradient = problem.objective_and_gradient(fields["x"])
    squares = vectors.dots(gradient, gradient, problem.axis)
    count = vectors.size(problem.f.A.in_shape) / max(problem.count, 1)
    state = AdamState(
        **fields,
        gradient=gradient,
        m=(),
        v=(),
        unit=ratio(np.sqrt(count), np.sqrt(squares)),
        step=np.full(problem.count, step or 0.0),
        taken=np.zeros(problem.count),
    )
    if step is None:
        length = _to_minimum(problem, state, first_step(objective, squares))
        state.step = share * SHARE * length * np.sqrt(squares / max(count, 1))
    state.v = vectors.fill(vectors.copy(gradient), 0)
    return state


def _to_minimum(problem: Problem, state: AdamState, trial: Numbers) -> Numbers:
    """⟨s, s⟩ / ⟨s, change of ∇F⟩, where s is the change of x in a trial step along the gradient."""
    shape, axis = problem.f.A.in_shape, problem.axis
    s, change = vectors.empty(shape, state.x), state.scratch("scratch", shape)
    problem.objective_and_gradient(projected(problem, state, trial, s), change)
    vectors.subtract(s, state.x)
    vectors.subtract(change, state.gradient)
    bend = vectors.dots(s, change, axis)
    length = ratio(vectors.dots(s, s, axis), bend)
    return np.where((length > 0) & np.isfinite(length), length, trial)


def _advance(
    problem: Problem, state: AdamState, m: Vector, decay: float, correction: Numbers
) -> AdamState:
    axis, active = problem.axis, state.active
    kept, direction = np.full(len(active), decay), state.scratch("scratch", problem.f.A.in_shape)
    vectors.assign(direction, state.gradient)
    vectors.scale_add(direction, state.unit, 0 * kept, direction, axis, active)
    vectors.multiply(direction, direction)
    vectors.scale_add(state.v, kept, 1 - kept, direction, axis, active)
    if not vectors.leaves(m):
        m = state.gradient
        correction = correction * state.unit
    for out, mean, v in zip(*map(vectors.leaves, (direction, m, state.v)), strict=True):
        arrays.namespace(out).sqrt(v, out=out)
        out += EPSILON
        arrays.namespace(out).divide(mean, out, out=out)
    state.taken = np.where(active, state.taken + 1, state.taken)
    step_x(problem, state, -state.step * correction, direction)
    _, state.value = problem.gradient_and_free_values(state.x, out=state.gradient)
    return state
