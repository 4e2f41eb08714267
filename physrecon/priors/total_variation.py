"""Total variation: images whose gradient is zero nearly everywhere, with edges.

    TotalVariation         w Σ |∇x|               Rudin, Osher & Fatemi (1992)
    HuberTV                w Σ h(|∇x|)            h(s) = s²/2δ up to δ, then s − δ/2 (Huber 1964)
    JointTotalVariation    w Σ √Σ_c |∇x_c|²       edges of all channels c in one place

The proximal map of total variation has no closed form: `priors.rof` iterates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Shape
from physrecon.operators.calculus import ROUNDING, gradient_norm, lattice
from physrecon.priors import rof
from physrecon.priors.near import Near
from physrecon.priors.variation import (
    IteratedVariation,
    Variation,
    slices_apart,
    sums,
)

ROUNDED = 0.01  # of the typical x: steps below are smoothed, for solvers that allow no kink


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
        for i, part in enumerate(slices_apart(axis, len(scale))):
            image, g, c = (vectors.copy(a[part]) for a in (x, gradient, curvature))
            self.smoothed(scale[i], image.shape).surrogate(image, None, scale[i : i + 1], g, c)
            gradient[part], curvature[part] = g, c

    def surrogate_values(self, x: Any, axis: Axis, scale: Numbers) -> Numbers:
        if len(scale) == 1:
            return self.smoothed(scale[0], x.shape).values(x, axis)
        images = (x[part] for part in slices_apart(axis, len(scale)))
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
