"""The state of a solver between two iterations, and the steps that all solvers share.

Each slice of a separable problem has its own scalars.  A slice that is not `active` keeps every
bit while the others continue.  The result therefore does not depend on the cut into slabs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Shape, Vector
from physrecon.catalog import SOLVERS
from physrecon.errors import ArgumentError
from physrecon.notebook import one_line
from physrecon.problem import Problem

STATES: dict[str, type[State]] = {}  # class name → class, for reading states from files


# Metadata of the fields on the machine of the data; all other fields are numbers on the host.
VECTOR = {"vector": True}


@dataclass
class State:
    """The iterate and its progress; solvers add the arrays they need.

    x: the volume, updated in place (copy it to keep it).  iteration: number of iterations done.
    change: ‖x − previous x‖ / ‖x‖ of each slice, infinite before the first iteration.
    value: f(x) of each slice without the prior; None if the solver does not compute it.
    active: the slices that the next iteration moves.  data_shape: A.out_shape of the problem.
    marks: value at the last three of the iterations 1, 2, 3, 4, 6, 8, 12, 16, 24 …, (3, slices);
    None before the first.  objectives: f + prior, see `solvers.convergence`.
    data_unit: unit of all arrays but x, see `solvers.units`.
    descends: whether the objective falls from each iteration to the next."""

    descends: ClassVar[bool] = False
    x: Vector = field(metadata=VECTOR)
    iteration: int
    change: Numbers
    value: Numbers | None
    active: NDArray[np.bool_]
    data_shape: Shape | None = field(default=None, kw_only=True)
    marks: Numbers | None = field(default=None, kw_only=True)
    objectives: Numbers | None = field(default=None, kw_only=True)
    data_unit: float = field(default=1.0, kw_only=True)

    def __init_subclass__(cls) -> None:
        STATES[cls.__qualname__] = cls
        cls.__repr__ = State.__repr__  # type: ignore[method-assign]  # not the dataclass's

    def __repr__(self) -> str:
        change = float(np.max(self.change, initial=0))
        return (
            f"{type(self).__name__}: iteration {self.iteration}, change {change:.2g}\n"
            f"  x: {one_line(self.x)}"
        )

    @property
    def prior_field(self) -> Vector:
        """v of a prior min_v g(K (x, v)) whose solver holds one, else ()."""
        return ()

    @property
    def inner_seconds(self) -> float:
        """Seconds in iterations within iterations, since the state was made or read from a file."""
        return self.__dict__.get("_inner_seconds", 0.0)

    def add_inner(self, seconds: float) -> None:
        """Count further `inner_seconds`; no file of the state holds them."""
        self.__dict__["_inner_seconds"] = self.inner_seconds + seconds

    def scratch(self, name: str, shape: Shape) -> Vector:
        """Uninitialised memory like x, reused in every iteration.

        Allocating it anew would cost as much time as an update.  A resume does not need it."""
        kept = self.__dict__.setdefault("_scratch", {})
        if name not in kept:
            kept[name] = vectors.empty(shape, self.x)
        return kept[name]


class ArraysHeld(NamedTuple):
    """The number of data sets and of volumes in memory at the same time."""

    data: int
    volumes: int


class Solver:
    """Settings of an algorithm; subclasses are frozen dataclasses.

    state_type: class of the states of `start` and `advance`.  accepts: the kinds of prior it can
    use (see `priors.base`).  certified: its steps come from proven bounds; it cannot diverge on a
    convex problem.  holds: arrays in memory at the same time, those of the problem and the result
    included.  iterations: default of a job.  needs_views: it uses views of A one by one or in
    subsets, so A cannot be a blur.  counts_only: it minimises likelihoods of counts only.
    outlives_weight: its states may go on with another weight of the prior.
    in_units_of_x: names of the settings that have the unit of x."""

    iterations: ClassVar[int]
    state_type: ClassVar[type[State]]
    accepts: ClassVar[tuple[str, ...]] = ()
    takes_constraint: ClassVar[bool] = True
    needs_views: ClassVar[bool] = False
    counts_only: ClassVar[bool] = False
    outlives_weight: ClassVar[bool] = False
    in_units_of_x: ClassVar[tuple[str, ...]] = ()
    certified: ClassVar[bool] = True
    holds: ClassVar[ArraysHeld]

    @property
    def name(self) -> str:
        """Name of the solver in a job file; its class name if jobs do not offer it."""
        own = type(self).__name__
        words = [word for word, place in SOLVERS.items() if place.endswith(f":{own}")]
        return words[0] if words else own

    def _check_whole(self, *names: str) -> None:
        """Raise ArgumentError for settings that are not whole numbers > 0."""
        for name in names:
            value = getattr(self, name)
            if not vectors.is_whole(value) or value < 1:
                where = f"{type(self).__name__}.{name}"
                raise ArgumentError(f"{where}: expected a whole number > 0, got {value!r}")

    def start(self, problem: Problem, x0: Vector = None) -> State:
        """The state before the first iteration."""
        raise NotImplementedError

    def advance(self, problem: Problem, state: Any) -> State:
        """The state after one more iteration of the active slices; `state` may be reused."""
        raise NotImplementedError

    def remark(self, state: Any) -> str:
        """What the user of the result should know about the data, or ""."""
        return ""


def can_use(solver: Any, prior: Any) -> bool:
    """Whether the solver accepts one of the capabilities of the prior."""
    return any(kind in solver.accepts for kind in prior.capabilities)


def initial_fields(problem: Problem, x0: Vector, default: float = 0.0) -> dict[str, Any]:
    """The fields of `State` at the start; x is P(copy of x0), or P(`default` everywhere)."""
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
        "data_shape": f.A.out_shape,
    }


def step_x(problem: Problem, state: State, step: Numbers, direction: Vector) -> None:
    """x ← P(x + step · direction) in the active slices."""
    record_change(state, *step_vector(problem, state.x, step, direction, state.active))


def step_vector(
    problem: Problem, x: Vector, step: Numbers, direction: Vector, active: Any
) -> tuple[Numbers, Numbers]:
    """x ← P(x + step · direction) in the active slices of any vector x of shape A.in_shape.

    Returns ‖x − previous x‖² and ‖x‖² of each slice.  Holds one volume more during the projection
    if the constraint has no bounds."""
    axis, constraint = problem.axis, problem.constraint
    step = np.full(len(active), step)
    if problem.bounds is not None:
        return vectors.step_within(x, step, direction, problem.bounds, axis, active)
    new = vectors.copy(x)
    vectors.scale_add(new, np.ones(len(step)), step, direction, axis, active)
    constraint.project(new)  # type: ignore[union-attr]
    moved = vectors.distances(new, x, axis)
    vectors.assign(x, new, axis, active)
    return moved, vectors.dots(x, x, axis)


def assign_x(problem: Problem, state: State, new: Vector) -> None:
    """x ← new in the active slices; `new` may be overwritten."""
    axis = problem.axis
    moved = vectors.distances(new, state.x, axis)
    vectors.assign(state.x, new, axis, state.active)
    record_change(state, moved, vectors.dots(state.x, state.x, axis))


def record_change(state: State, moved: Numbers, size: Numbers) -> None:
    """Count the iteration and set the relative change; moved: ‖x − previous x‖², size: ‖x‖²."""
    change = np.sqrt(moved / np.where(size > 0, size, 1))
    change = np.where((size == 0) & (moved > 0), 1.0, change)
    state.change = np.where(state.active, change, state.change)
    state.iteration += 1


def ratio(a: Numbers | float, b: Numbers) -> Numbers:
    """a / b, and 0 where b is 0, which means that the slice is solved."""
    with np.errstate(over="ignore", invalid="ignore"):  # the loop reports what is not finite
        return np.where(b == 0, 0.0, a / np.where(b == 0, 1.0, b))
