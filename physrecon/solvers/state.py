"""What a solver carries from one iteration to the next, and the steps that all solvers share.

Slices of a separable problem are solved each on its own: they have their own scalars, and a slice
that is not `active` keeps every bit while the others go on.  A volume therefore does not depend
on how it was cut into slabs."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Shape, Vector
from physrecon.catalog import SOLVERS
from physrecon.errors import ArgumentError
from physrecon.problem import Problem

STATES: dict[str, type[State]] = {}  # by name, for files


# Metadata of the fields that live where the data live; the others are numbers on the host.
VECTOR = {"vector": True}


@dataclass
class State:
    """The iterate and where it stands; solvers add the arrays they need.

    x: the volume, updated in place (copy it to keep it).  iteration: how many are done.
    change: ‖x − previous x‖ / ‖x‖ of each slice, infinite before the first iteration.
    value: f(x) of each slice, the prior not included; None where the solver does not know it.
    active: which slices the next iteration moves."""

    x: Vector = field(metadata=VECTOR)
    iteration: int
    change: Numbers
    value: Numbers | None
    active: NDArray[np.bool_]

    def __init_subclass__(cls) -> None:
        STATES[cls.__qualname__] = cls

    def scratch(self, name: str, shape: Shape) -> Vector:
        """Memory like that of x, uninitialised, which lasts from iteration to iteration.

        New memory costs as much time as an update; it holds nothing that a resume would need."""
        kept = self.__dict__.setdefault("_scratch", {})
        if name not in kept:
            kept[name] = vectors.empty(shape, self.x)
        return kept[name]


class ArraysHeld(NamedTuple):
    """How many data sets and volumes are in memory at the same time."""

    data: int
    volumes: int


class Solver:
    """Settings of an algorithm: a frozen dataclass derived from this class.

    state_type: of what `start` gives and `advance` goes on from.  accepts: the kinds of prior
    it can use (see `priors.base`).  certified: its steps come from bounds that hold, so that it
    cannot diverge on a convex problem.  holds: arrays in memory at the same time, those of the
    problem and the result included.  iterations: for a job that gives no number.  needs_views: it
    takes views of A one by one or in subsets, which a blur has not.  counts_only: it minimises the
    likelihood of counts and no other."""

    iterations: ClassVar[int]
    state_type: ClassVar[type[State]]
    accepts: ClassVar[tuple[str, ...]] = ()
    takes_constraint: ClassVar[bool] = True
    needs_views: ClassVar[bool] = False
    counts_only: ClassVar[bool] = False
    certified: ClassVar[bool] = True
    holds: ClassVar[ArraysHeld]

    @property
    def name(self) -> str:
        """Its word in a job; of a solver that no job knows, its class."""
        own = type(self).__name__
        words = [word for word, place in SOLVERS.items() if place.endswith(f":{own}")]
        return words[0] if words else own

    def _check_whole(self, *names: str) -> None:
        """Raise ArgumentError for a setting that is no whole number > 0."""
        for name in names:
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                where = f"{type(self).__name__}.{name}"
                raise ArgumentError(f"{where}: expected a whole number > 0, got {value!r}")

    def start(self, problem: Problem, x0: Vector = None) -> State:
        """The state before the first iteration."""
        raise NotImplementedError

    def advance(self, problem: Problem, state: Any) -> State:
        """The state after one more iteration of the active slices; `state` may be reused."""
        raise NotImplementedError


def can_use(solver: Any, prior: Any) -> bool:
    """Whether the solver can use any of the ways in which the prior can be used."""
    return any(kind in solver.accepts for kind in prior.capabilities)


def initial_fields(problem: Problem, x0: Vector, default: float = 0.0) -> dict[str, Any]:
    """The fields every state starts with: x, a copy of x0 or all `default`, in the constraint."""
    f = problem.f
    model = vectors.leaves(f.y)[0]
    if x0 is None:
        x = vectors.fill(vectors.empty(f.A.in_shape, model), default)
    else:
        x0 = vectors.checked("x0", x0, f.A.in_shape)
        vectors.check_finite("x0", x0)
        if arrays.is_device(vectors.leaves(x0)[0]) != arrays.is_device(model):
            raise ArgumentError("x0: expected it on the machine of the data; see arrays.to_device")
        x = vectors.transform(lambda a: arrays.like(a, dtype=model.dtype), x0)
        for new, old in zip(vectors.leaves(x), vectors.leaves(x0), strict=True):
            new[...] = old
    if problem.constraint is not None:
        problem.constraint.project(x)
    count = problem.count
    return {
        "x": x,
        "iteration": 0,
        "change": np.full(count, np.inf),
        "value": None,
        "active": np.ones(count, bool),
    }


def step_x(problem: Problem, state: State, step: Numbers, direction: Vector) -> None:
    """x ← P(x + step · direction) in the active slices."""
    record_change(state, *step_vector(problem, state.x, step, direction, state.active))


def step_vector(
    problem: Problem, x: Vector, step: Numbers, direction: Vector, active: Any
) -> tuple[Numbers, Numbers]:
    """x ← P(x + step · direction) in the active slices, for any vector of the volume.

    Returns ‖x − previous x‖² and ‖x‖² of each slice.  A constraint without bounds takes a volume of
    memory while it is projected onto."""
    axis, constraint = problem.axis, problem.constraint
    step = np.broadcast_to(step, len(active))
    if problem.bounds is not None:
        return vectors.step_within(x, step, direction, problem.bounds, axis, active)
    new = vectors.copy(x)
    vectors.scale_add(new, np.ones(len(step)), step, direction, axis, active)
    constraint.project(new)  # type: ignore[union-attr]
    moved = vectors.distances(new, x, axis)
    vectors.assign(x, new, axis, active)
    return moved, vectors.dots(x, x, axis)


def assign_x(problem: Problem, state: State, new: Vector) -> None:
    """x ← new in the active slices; `new` is used up."""
    axis = problem.axis
    moved = vectors.distances(new, state.x, axis)
    vectors.assign(state.x, new, axis, state.active)
    record_change(state, moved, vectors.dots(state.x, state.x, axis))


def record_change(state: State, moved: Numbers, size: Numbers) -> None:
    """Count the iteration and note the relative change, from ‖x − previous x‖² and ‖x‖²."""
    change = np.sqrt(moved / np.where(size > 0, size, 1))
    change = np.where((size == 0) & (moved > 0), 1.0, change)
    state.change = np.where(state.active, change, state.change)
    state.iteration += 1


def ratio(a: Numbers | float, b: Numbers) -> Numbers:
    """a / b, and 0 where b is 0: nothing left to do in that slice."""
    return np.where(b == 0, 0.0, a / np.where(b == 0, 1.0, b))
