"""What a solver carries from one iteration to the next, and the steps that all solvers share.

Slices of a separable problem are solved each on its own: they have their own scalars, and a slice
that is not `active` keeps every bit while the others go on.  A volume therefore does not depend
on how it was cut into slabs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays, spaces
from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.spaces import Numbers, Vector

STATES: dict[str, type[State]] = {}  # by name, for files


# Metadata of the fields that live where the data live; the others are numbers on the host.
VECTOR = {"vector": True}


@dataclass
class State:
    """The iterate and where it stands; solvers add the arrays they need.

    x: the volume, updated in place (copy it to keep it).  iteration: how many are done.
    change: ‖x − previous x‖ / ‖x‖ of each slice, infinite before the first iteration.
    value: f(x) of each slice, None where the solver does not know it.
    active: which slices the next iteration moves."""

    x: Vector = field(metadata=VECTOR)
    iteration: int
    change: Numbers
    value: Numbers | None
    active: NDArray[np.bool_]

    def __init_subclass__(cls) -> None:
        STATES[cls.__qualname__] = cls


class Solver(Protocol):
    """Settings of an algorithm: a frozen dataclass."""

    name: ClassVar[str]
    state_type: ClassVar[type[State]]
    takes_prior: ClassVar[bool]
    takes_constraint: ClassVar[bool]

    def start(self, problem: Problem, x0: Vector = None) -> State:
        """The state before the first iteration."""
        ...

    def advance(self, problem: Problem, state: Any) -> State:
        """The state after one more iteration of the active slices; `state` may be reused."""
        ...


def refuse_unsuited(problem: Problem, solver: Solver) -> None:
    """Complain about a prior or constraint the solver cannot honour, and name those that can."""
    from physrecon.solvers import METHODS

    for part in ("prior", "constraint"):
        given = getattr(problem, part)
        if given is not None and not getattr(solver, f"takes_{part}"):
            able = [m.__name__ for m in METHODS.values() if getattr(m, f"takes_{part}")]
            raise ArgumentError(
                f"{type(solver).__name__}: expected a problem without {part}, got {given!r}; "
                f"solvers that take one: {', '.join(able) or 'none yet'}"
            )


def refuse_state(problem: Problem, solver: Solver, state: State) -> None:
    """Complain about a state of another solver, shape or dtype."""
    kind = solver.state_type
    if not isinstance(state, kind):
        raise ArgumentError(
            f"{type(solver).__name__}: expected a {kind.__name__}, got {type(state).__name__}; "
            "go on with the solver that made it"
        )
    model = spaces.leaves(problem.f.y)[0]
    x = spaces.leaves(state.x)
    shapes = spaces.leaf_shapes(problem.f.A.in_shape)
    if [a.shape for a in x] != shapes or any(a.dtype != model.dtype for a in x):
        raise ArgumentError(
            f"{type(solver).__name__}: expected a state with x of {problem.f.A.in_shape} "
            f"{model.dtype}, got {[a.shape for a in x]} {x[0].dtype}; it belongs to another problem"
        )


def refuse_likelihood(problem: Problem, solver: Solver, needs: str) -> None:
    """Complain about a likelihood without the method `needs` of least squares."""
    if not hasattr(problem.f, needs):
        raise ArgumentError(
            f"{type(solver).__name__}: expected LeastSquares, got {type(problem.f).__name__}; "
            "use GradientDescent"
        )


def fresh(problem: Problem, x0: Vector) -> dict[str, Any]:
    """The fields every state starts with: x a copy of x0 (zeros for None) inside the constraint."""
    f = problem.f
    model = spaces.leaves(f.y)[0]
    if x0 is None:
        x = spaces.fill(spaces.empty(f.A.in_shape, model), 0)
    else:
        x0 = spaces.checked("x0", x0, f.A.in_shape)
        spaces.check_finite("x0", x0)
        if arrays.is_device(spaces.leaves(x0)[0]) != arrays.is_device(model):
            raise ArgumentError("x0: expected it on the machine of the data; see arrays.to_device")
        x = spaces.transform(lambda a: arrays.like(a, dtype=model.dtype), x0)
        for new, old in zip(spaces.leaves(x), spaces.leaves(x0), strict=True):
            new[...] = old
    if problem.constraint is not None:
        problem.constraint.project(x)
    count = f.A.slice_count
    return {
        "x": x,
        "iteration": 0,
        "change": np.full(count, np.inf),
        "value": None,
        "active": np.ones(count, bool),
    }


def move(problem: Problem, state: State, step: Numbers, direction: Vector) -> None:
    """x ← P(x + step · direction) in the active slices; `direction` is used up."""
    axis = problem.f.axis
    count = len(state.active)
    step = np.broadcast_to(step, count)
    spaces.scale_add(direction, step, np.ones(count), state.x, axis, state.active)
    if problem.constraint is not None:
        problem.constraint.project(direction)
    minus = np.full(count, -1.0)
    spaces.scale_add(state.x, minus, np.ones(count), direction, axis, state.active)
    moved = spaces.dots(state.x, state.x, axis)
    spaces.assign(state.x, direction, axis, state.active)
    record_change(problem, state, moved)


def record_change(problem: Problem, state: State, moved: Numbers) -> None:
    """Count the iteration and note the relative change, from ‖x − previous x‖² of each slice."""
    size = spaces.dots(state.x, state.x, problem.f.axis)
    change = np.sqrt(moved / np.where(size > 0, size, 1))
    change = np.where((size == 0) & (moved > 0), 1.0, change)
    state.change = np.where(state.active, change, state.change)
    state.iteration += 1


def ratio(a: Numbers | float, b: Numbers) -> Numbers:
    """a / b, and 0 where b is 0: nothing left to do in that slice."""
    return np.where(b == 0, 0.0, a / np.where(b == 0, 1.0, b))
