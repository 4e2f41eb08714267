"""Total variation: images whose gradient is zero nearly everywhere, with edges.

    TotalVariation         w Σ |∇x|               Rudin, Osher & Fatemi (1992)
    HuberTV                w Σ h(|∇x|)            h(s) = s²/2δ up to δ, then s − δ/2 (Huber 1964)
    JointTotalVariation    w Σ √Σ_c |∇x_c|²       edges of all channels c in one place

The proximal map of total variation has no closed form: `priors.rof` iterates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Shape
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.operators.calculus import ROUNDING, Gradient, gradient_norm, lattice, sorted_axes
from physrecon.priors import rof
from physrecon.priors.base import Prior, checked_axes, refuse_constraint
from physrecon.priors.constraints import FREE, Constraint
from physrecon.priors.near import Near

ROUNDED = 0.01  # of the typical x: steps below are smoothed, for solvers that allow no kink


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


def _slices(axis: Axis, count: int) -> list[tuple[slice, ...]]:
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
        return self._iterate(x, step, constraint, None, ())

    def near_prox(
        self, x: Any, step: Any, constraint: Constraint | None, y: Any, guess: Any
    ) -> Any:
        return self._iterate(x, step, constraint, y, guess)

    def _iterate(
        self, x: Any, step: Any, constraint: Constraint | None, y: Any, guess: tuple[Any, ...]
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
                near = Near(origin, tuple(a.reshape(len(a), -1, *inner) for a in flat))
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


@dataclass(frozen=True)
class TotalVariation(IteratedVariation):
    """w Σ |∇x|; |·| is the Euclidean norm at a voxel, or Σ |difference| unless `isotropic`.

    axes: at most three axes of x to differentiate along; None: all with more than one element.  So
    a volume gets 3-D total variation, and with axes=(1, 2) that of each slice.  spacing: voxel
    spacing, one number or one per axis.

    prox minimises step · w Σ |∇u| + ½ ‖u − x‖² and stops when its duality gap is at most
    tolerance · primal value, which also bounds ½ ‖u − exact u‖².  It stops earlier if rounding
    allows no smaller gap, and always after `iterations`; a tolerance below one rounding error runs
    all of them.  Uncoupled slices stop independently.  Holds 2 + 2d volumes besides x, d being the
    number of axes; if slices are uncoupled, only for those solved together.  FISTA holds d more: it
    starts from the last map, and stops once the error is small beside its own step, or at the
    tolerance, which limits its accuracy.

    >>> x = np.zeros((5, 5))
    >>> x[:, 2:] = 1
    >>> pr.TotalVariation(0.5).value(x)  # five steps of 1
    2.5
    >>> pr.TotalVariation(0.5, axes=(0,)).value(x)  # none along axis 0
    0.0
    """

    isotropic: bool = field(default=True, kw_only=True)
    tolerance: float = field(default=1e-5, kw_only=True)
    iterations: int = field(default=2000, kw_only=True)

    holds: ClassVar[int] = 11
    solver: ClassVar[str] = "fista"
    capabilities: ClassVar[tuple[str, ...]] = ("prox", "composed", "surrogate")

    def values(self, x: Any, axis: Axis = None) -> Numbers:
        steps = self.steps(x.shape)
        return self.weight * sums("TotalVariation", x, steps, axis, isotropic=self.isotropic)

    def smoothed(self, scale: float, shape: Shape) -> HuberTV:
        """Total variation with a smoothed kink: δ is a step of 1 % of `scale`."""
        delta = ROUNDED * float(scale) / min(self.steps(shape).values())
        return HuberTV(
            self.weight, delta, isotropic=self.isotropic, axes=self.axes, spacing=self.spacing
        )

    def surrogate(self, x: Any, axis: Axis, scale: Numbers, gradient: Any, curvature: Any) -> None:
        """The surrogate of `smoothed`, with the scale of each slice."""
        if len(scale) == 1:
            self.smoothed(scale[0], x.shape).surrogate(x, axis, scale, gradient, curvature)
            return
        for i, part in enumerate(_slices(axis, len(scale))):
            image, g, c = (vectors.copy(a[part]) for a in (x, gradient, curvature))
            self.smoothed(scale[i], image.shape).surrogate(image, None, scale[i : i + 1], g, c)
            gradient[part], curvature[part] = g, c

    def surrogate_values(self, x: Any, axis: Axis, scale: Numbers) -> Numbers:
        if len(scale) == 1:
            return self.smoothed(scale[0], x.shape).values(x, axis)
        images = (x[part] for part in _slices(axis, len(scale)))
        pairs = zip(images, scale, strict=True)
        return np.array([self.smoothed(s, image.shape).values(image)[0] for image, s in pairs])

    def conjugate_prox(self, q: Any, sigma: Any) -> Any:
        """Projection onto |q| ≤ w; independent of σ."""
        return self._project(q, self.isotropic)

    def guess_shapes(self, shape: Shape) -> tuple[Shape, ...]:
        """That of p, the dual variable of ∇x."""
        return ((len(self.steps(shape)), *shape),)

    def _denoise(
        self,
        f: Any,
        radii: Numbers,
        spacing: list[float],
        bounds: tuple[float, float],
        near: Near | None,
    ) -> None:
        shape = f.shape[1:]
        at = lattice("TotalVariation", shape, dict(enumerate(spacing)))
        norm = gradient_norm(shape, range(len(shape)), at.spacing) * (1 + ROUNDING)
        limits = (self.tolerance, self.iterations)
        rof.Denoiser(at, norm, bounds, self.isotropic, *limits).run(f, radii, near)


@dataclass(frozen=True)
class HuberTV(Variation):
    """w Σ h(|∇x|): quadratic up to δ, which smooths noise, and linear beyond, which keeps edges.

    delta: > 0, a gradient, in units of x per unit of length.  isotropic, axes, spacing: as in
    `TotalVariation`.

    >>> x = np.array([0.0, 0.5, 4.5])
    >>> pr.HuberTV(1.0, delta=1.0).value(x)  # ½ 0.5², and 4 − ½
    3.625
    """

    delta: float
    isotropic: bool = field(default=True, kw_only=True)

    holds: ClassVar[int] = 10
    solver: ClassVar[str] = "fista"
    in_units_of_x: ClassVar[tuple[str, ...]] = ("delta",)
    capabilities: ClassVar[tuple[str, ...]] = ("smooth", "composed", "surrogate")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._keep_positive("delta")

    def values(self, x: Any, axis: Axis = None) -> Numbers:
        steps = self.steps(x.shape)
        return self.weight * sums("HuberTV", x, steps, axis, self.delta, self.isotropic)

    def values_and_gradient(self, x: Any, axis: Axis, out: Any) -> tuple[Numbers, Any]:
        from physrecon.kernels import gradient_norms

        self._run(gradient_norms.flow, x, out)
        return self.values(x, axis), out

    def _run(self, kernel: Any, x: Any, *outputs: Any) -> None:
        """Run a kernel that adds its results for x to the outputs."""
        if x.size:
            at, number = lattice("HuberTV", x.shape, self.steps(x.shape)), x.dtype.type
            factors = (number(self.weight), number(self.delta), self.isotropic)
            kernel(at.scales_in(x.dtype), at.layout, *factors, *map(at.flat, (x, *outputs)))

    def lipschitz(self, shape: Shape) -> float:
        """(w / δ) ‖∇‖²"""
        steps = self.steps(shape)
        norm = gradient_norm(shape, tuple(steps), tuple(steps.values()))
        return self.weight / self.delta * norm**2 * (1 + ROUNDING) ** 2

    def surrogate(self, x: Any, axis: Axis, scale: Numbers, gradient: Any, curvature: Any) -> None:
        from physrecon.kernels import half_quadratic

        self._run(half_quadratic.majorise, x, curvature, gradient)

    def conjugate_prox(self, q: Any, sigma: Any) -> Any:
        """q / (1 + σ δ / w), projected onto |q| ≤ w: g* is δ ‖q‖² / 2w in that ball."""
        q /= 1 + sigma * (self.delta / self.weight)
        return self._project(q, self.isotropic)


@dataclass(frozen=True)
class JointTotalVariation(Variation):
    """w Σ √Σ_c |∇x_c|²: the norm at a voxel is over directions and channels.

    Sapiro & Ringach (1996), Bresson & Chan (2008).  Axis 0 of x is the channels, such as energies;
    edges in the same places cost least.  axes, spacing: as in `TotalVariation`; axis 0 counts.

    >>> x = np.zeros((2, 5, 5))
    >>> x[0, :, 2:] = 3  # an edge in both channels, of heights 3 and 4
    >>> x[1, :, 2:] = 4
    >>> pr.JointTotalVariation(1.0, axes=(1, 2)).value(x)  # 5 rows of √(3² + 4²)
    25.0
    """

    first_axis: ClassVar[int] = 1
    capabilities: ClassVar[tuple[str, ...]] = ("composed",)

    def values(self, x: Any, axis: Axis = None) -> Numbers:
        steps = self.steps(x.shape)
        return self.weight * sums("JointTotalVariation", x, steps, axis, channels=len(x))

    def conjugate_prox(self, q: Any, sigma: Any) -> Any:
        """Projection onto norms ≤ w, over directions and channels; independent of σ."""
        return self._project(q, True)


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
    step = np.asarray(arrays.to_host(step) if arrays.is_device(step) else step, np.float64)
    step = step.reshape((1,) * (len(shape) - step.ndim) + step.shape)
    if any(n > 1 and a not in free for a, n in enumerate(step.shape)):
        raise ArgumentError(
            f"{where}: expected one step for each slice that is not coupled, got steps of "
            f"{step.shape} for x of {tuple(shape)}"
        )
    if not (step > 0).all():
        raise ArgumentError(f"{where}: expected steps > 0, got {step.min():g}")
    inner = [a for a in range(len(shape)) if a not in free]
    few = np.squeeze(step, tuple(inner)) if inner else step
    return np.broadcast_to(few, [shape[a] for a in free]).reshape(-1)
