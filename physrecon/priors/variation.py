"""Base classes of priors on the gradient, and how an array is arranged for their iterations.

A prior may couple some axes only.  Slices along the others are separate problems: they are solved
together, each on a scale of its own, and end by themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Shape
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.operators.calculus import Gradient, lattice, sorted_axes
from physrecon.priors.base import Prior, checked_axes, refuse_constraint
from physrecon.priors.constraints import FREE, Constraint
from physrecon.priors.near import Near


@dataclass(frozen=True, kw_only=True)
class Variation(Prior):
    """Base class of priors on the gradient: differentiated axes and their voxel spacing."""

    axes: tuple[int, ...] | None = None
    spacing: float | tuple[float, ...] = 1.0

    degree: ClassVar[int | None] = 1
    first_axis: ClassVar[int] = 0  # first axis of space; channels are before it

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        object.__setattr__(self, "axes", checked_axes(f"{name}.axes", self.axes))
        if isinstance(self.spacing, Sequence | np.ndarray):
            object.__setattr__(self, "spacing", tuple(float(h) for h in self.spacing))

    def steps(self, shape: Shape) -> dict[int, float]:
        """Axis → voxel spacing, for the axes along which differences exist."""
        if vectors.is_product(shape):
            raise ArgumentError(
                f"{type(self).__name__}: expected one array, got a tuple of {shape}; join them "
                "along a channel axis and use JointTotalVariation"
            )
        voxels = range(self.first_axis, len(shape))
        long = [a for a in voxels if shape[a] > 1] or [len(shape) - 1]
        axes = long if self.axes is None else self.axes
        steps = sorted_axes(type(self).__name__, shape, self.spacing, axes)
        if min(steps) < self.first_axis:
            raise ArgumentError(
                f"{type(self).__name__}.axes: expected axes beside the channel axis 0, got {axes}"
            )
        return {a: h for a, h in steps.items() if a in long} or dict(list(steps.items())[-1:])

    def couples(self, axis: Axis, shape: Shape) -> bool:
        if not isinstance(axis, int):
            return True
        return axis < self.first_axis or (axis in self.steps(shape) and shape[axis] > 1)

    def operator(self, shape: Shape) -> LinearOperator:
        """∇, with range (d, *shape)."""
        steps = self.steps(shape)
        return Gradient(shape, tuple(steps.values()), tuple(steps))

    def _project(self, q: Any, isotropic: bool, most: float | None = None) -> Any:
        """Project q onto |q| ≤ `most` at every voxel; None: the weight."""
        from physrecon.kernels import gradient_norms

        most = self.weight if most is None else most
        if not isotropic:
            return arrays.namespace(q).clip(q, -most, most, out=q)
        unit = vectors.unit_of(np.full(1, most, q.dtype))  # see `sums`
        part = vectors.divided(q, unit)
        if q.size:
            members = math.prod(q.shape[: 1 + self.first_axis])
            radius = q.dtype.type(most / unit)
            gradient_norms.project(radius, part.reshape(members, 1, -1))
        if part is not q:
            q[...] = part
            q *= q.dtype.type(unit)
        return q


def sums(
    where: str,
    x: Any,
    steps: dict[int, float],
    axis: Axis,
    delta: float = 0.0,
    isotropic: bool = True,
    channels: int = 1,
) -> Numbers:
    """Σ h(|∇x|) per slice along `axis`, or (1,).  channels: length of axis 0, inside one |·|.

    Computed in multiples of `unit_of(x)`: kernels sum squares in the dtype of x."""
    from physrecon.kernels import gradient_norms as kernels

    unit = vectors.unit_of(x)
    x, delta = vectors.divided(x, unit), delta / unit
    free = [a for a in range(x.ndim) if a not in steps]
    x = arranged(x, free, steps)
    lengths = [x.shape[i] for i in range(len(free))]
    at = lattice(where, x.shape, {len(free) + i: h for i, h in enumerate(steps.values())})
    if channels > 1:
        free, lengths = free[1:], lengths[1:]
    if not x.size:
        return np.zeros(1 if axis is None else lengths[free.index(axis)])  # type: ignore[arg-type]
    on_gpu = arrays.is_device(x)
    planes, ny, n = at.view
    shape = (planes // channels, ny, kernels.pieces(n, on_gpu))
    partial = arrays.like(x, shape) if on_gpu else np.empty(shape)
    number = x.dtype.type
    kernels.measure(
        *(at.scales_in(x.dtype), at.layout, channels, number(delta), isotropic, at.flat(x), partial)
    )
    rows = arrays.to_host(partial).astype(np.float64, copy=False).reshape(math.prod(lengths), -1)
    each = np.array([np.sum(row) for row in rows]).reshape(lengths)
    return unit * slice_sums(each, free, axis)


def slices_apart(axis: Axis, count: int) -> list[tuple[slice, ...]]:
    """The index of each slice along an axis; the axis is kept."""
    assert isinstance(axis, int)
    return [(slice(None),) * axis + (slice(i, i + 1),) for i in range(count)]


def slice_sums(each: np.ndarray, free: list[int], axis: Axis) -> Numbers:
    """Sums of `each` per index along `axis` of x; the axes of `each` are the `free` ones of x."""
    if axis is None or axis not in free:
        return np.array([np.sum(each)])
    parts = np.moveaxis(each, free.index(axis), 0)  # type: ignore[arg-type]
    return np.array([np.sum(np.ascontiguousarray(part)) for part in parts])


class IteratedVariation(Variation):
    """Base class of priors whose proximal map is iterated to a tolerance."""

    tolerance: float
    iterations: int

    def __post_init__(self) -> None:
        super().__post_init__()
        name, tolerance, iterations = type(self).__name__, self.tolerance, self.iterations
        if not (vectors.is_real(tolerance) and 0 <= tolerance < 1):
            raise ArgumentError(f"{name}.tolerance: expected 0 <= tolerance < 1, got {tolerance!r}")
        if not vectors.is_whole(iterations) or iterations < 1:
            raise ArgumentError(
                f"{name}.iterations: expected a whole number > 0, got {iterations!r}"
            )

    def prox(self, x: Any, step: Any, constraint: Constraint | None = None) -> Any:
        return self._iterate(x, step, constraint, None, (), 0.0)

    def near_prox(
        self,
        x: Any,
        step: Any,
        constraint: Constraint | None,
        y: Any,
        guess: Any,
        slack: Any = 0.0,
    ) -> Any:
        return self._iterate(x, step, constraint, y, guess, slack)

    def _iterate(
        self,
        x: Any,
        step: Any,
        constraint: Constraint | None,
        y: Any,
        guess: tuple[Any, ...],
        slack: Any,
    ) -> Any:
        """x ← prox(x); near it, if y is given."""
        name = type(self).__name__
        bounds = bounds_of(name, constraint)
        steps = self.steps(x.shape)
        free = [a for a in range(x.ndim) if a not in steps]
        radii = self.weight * one_a_problem(f"{name}.prox", step, x.shape, free)
        unit = vectors.unit_of(x)  # see `sums`
        f = vectors.divided(arranged(x, free, steps), unit)
        if x.size:
            inner, later = f.shape[len(free) :], [0, *(a + 1 for a in (*free, *steps))]
            near = None
            fields = [field.transpose(later) for field in guess]
            if y is not None:
                origin = vectors.divided(arranged(y, free, steps), unit).reshape(-1, *inner)
                flat = (arrays.namespace(x).ascontiguousarray(field) for field in fields)
                slacks = of_problems(f"{name}.near_prox", slack, x.shape, free) / unit**2
                shared = slacks * (np.size(slack) / len(slacks))
                near = Near(origin, tuple(a.reshape(len(a), -1, *inner) for a in flat), shared)
            limits = (bounds[0] / unit, bounds[1] / unit)
            problems = f.reshape(-1, *inner)
            self._denoise(problems, radii / unit, list(steps.values()), limits, near)
            if near is not None:
                for field, found in zip(fields, near.fields, strict=True):
                    field[...] = found.reshape(field.shape)
        if f is not x:
            x[...] = f.transpose(*np.argsort([*free, *steps]))
        if unit != 1:
            x *= x.dtype.type(unit)
        return x

    def _denoise(
        self,
        f: Any,
        radii: Numbers,
        spacing: list[float],
        bounds: tuple[float, float],
        near: Near | None,
    ) -> None:
        """f (problems, …) ← the solutions for the radii step · weight; spacing: along each axis."""
        raise NotImplementedError


def bounds_of(where: str, constraint: Constraint | None) -> tuple[float, float]:
    """The bounds (lower, upper) of a constraint.  Raises ArgumentError if it has none."""
    bounds = FREE if constraint is None else constraint.bounds
    if bounds is None:
        refuse_constraint(where, constraint)
    return bounds  # type: ignore[return-value]


def arranged(x: Any, free: list[int], steps: dict[int, float]) -> Any:
    """x with the differentiated axes last, contiguous; x itself if it is so already."""
    order = [*free, *steps]
    if order == list(range(x.ndim)) and x.flags["C_CONTIGUOUS"]:
        return x
    return arrays.namespace(x).ascontiguousarray(x.transpose(*order))


def one_a_problem(where: str, step: Any, shape: Shape, free: list[int]) -> Numbers:
    """The step of each problem, in the order of the free axes; steps must be > 0."""
    steps = of_problems(where, step, shape, free)
    if not (steps > 0).all():
        raise ArgumentError(f"{where}: expected steps > 0, got {steps.min():g}")
    return steps


def of_problems(where: str, each: Any, shape: Shape, free: list[int]) -> Numbers:
    """The number of each problem, in the order of the free axes."""
    each = np.asarray(arrays.to_host(each) if arrays.is_device(each) else each, np.float64)
    each = each.reshape((1,) * (len(shape) - each.ndim) + each.shape)
    if any(n > 1 and a not in free for a, n in enumerate(each.shape)):
        raise ArgumentError(
            f"{where}: expected one step for each slice that is not coupled, got steps of "
            f"{each.shape} for x of {tuple(shape)}"
        )
    inner = [a for a in range(len(shape)) if a not in free]
    few = np.squeeze(each, tuple(inner)) if inner else each
    return np.broadcast_to(few, [shape[a] for a in free]).reshape(-1)
