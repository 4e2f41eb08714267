"""A denoiser in place of a prior (Venkatakrishnan, Bouman & Wohlberg 2013):

    prox(x, step) = denoiser(x, σ),   σ² = step · weight

The proximal map of a prior is its best denoiser for Gaussian noise of variance step · weight.  Any
other denoiser may replace it; in general it is unknown whether an objective is then minimised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Shape
from physrecon.errors import ArgumentError
from physrecon.priors.base import Prior
from physrecon.priors.constraints import Constraint


@dataclass(frozen=True, init=False)
class PlugAndPlay(Prior):
    """The prior whose proximal map is `denoiser(image, sigma) -> image`.

    denoiser: takes an array and a float, the standard deviation of the noise in units of x, and
    returns a real, finite array of the same shape on the same machine; it may overwrite its input.
    weight: the larger, the smoother: σ = √(step · weight).  `choose_weight` finds it from data that
    are left out, if the denoiser makes use of σ.
    axis: axis of x whose slices are denoised independently, as images without this axis;
    None: x as a whole.

    The prior has no value: `values` is 0, and objectives and histories are those of the likelihood
    alone.  It is not convex: convergence is not guaranteed.  A constraint is met by projecting the
    denoised image, which is not the proximal map of prior and constraint together.

    >>> from scipy.ndimage import gaussian_filter
    >>> prior = pr.PlugAndPlay(lambda image, sigma: gaussian_filter(image, 1), weight=0.1)
    >>> y = np.random.default_rng(0).standard_normal((9, 9))
    >>> problem = pr.Problem(pr.LeastSquares(pr.Identity((9, 9)), y), prior)
    >>> result = pr.solve(problem, pr.ADMM(), stop=pr.Stop(iterations=20))
    >>> bool(result.x.std() < 0.5 * y.std())
    True
    """

    denoiser: Callable[[Any, float], Any]
    axis: int | None = None

    capabilities: ClassVar[tuple[str, ...]] = ("prox",)
    convex: ClassVar[bool] = False
    has_value: ClassVar[bool] = False

    def __init__(
        self, denoiser: Callable[[Any, float], Any], weight: float = 1.0, axis: int | None = None
    ) -> None:
        for name, value in (("weight", weight), ("denoiser", denoiser), ("axis", axis)):
            object.__setattr__(self, name, value)
        super().__post_init__()
        if not callable(denoiser):
            raise ArgumentError(
                f"PlugAndPlay.denoiser: expected a function (image, sigma) -> image, "
                f"got {denoiser!r}"
            )
        if not (axis is None or (vectors.is_whole(axis) and axis >= 0)):
            raise ArgumentError(f"PlugAndPlay.axis: expected None or a number >= 0, got {axis!r}")

    def in_units(self, x: float, f: float) -> PlugAndPlay:
        """The denoiser is given images and σ in the units of the user: σ² = step · weight."""

        def denoiser(image: Any, sigma: float) -> Any:
            return vectors.divided(self.denoiser(image * x, sigma * x), x)

        return PlugAndPlay(denoiser, self.weight / f, self.axis)

    def couples(self, axis: Axis, shape: Shape) -> bool:
        return self.axis is None or axis != self.axis

    def values(self, x: Any, axis: Axis = None) -> Numbers:
        return np.zeros(vectors.slice_count(np.shape(x), axis))

    def prox(self, x: Any, step: Any, constraint: Constraint | None = None) -> Any:
        if self.axis is None:
            images = x[None]
        elif self.axis < x.ndim:
            images = arrays.namespace(x).moveaxis(x, self.axis, 0)
        else:
            raise ArgumentError(
                f"PlugAndPlay.axis: expected an axis of x of {x.shape}, got {self.axis}"
            )
        for image, sigma in zip(images, self._sigmas(step, len(images)), strict=True):
            image[...] = self._denoised(image, sigma)
        return x if constraint is None else constraint.project(x)

    def _sigmas(self, step: Any, count: int) -> list[float]:
        steps = arrays.to_host(step).astype(np.float64).reshape(-1)
        if steps.size not in (1, count):
            raise ArgumentError(
                f"PlugAndPlay.prox: expected one step or {count} (one a slice), got an array of "
                f"{np.shape(step)}"
            )
        sigmas = np.sqrt(steps * self.weight).tolist()
        return sigmas if steps.size == count else sigmas * count

    def _denoised(self, image: Any, sigma: float) -> Any:
        result = self.denoiser(image, sigma)
        fits = (
            hasattr(result, "dtype")
            and np.shape(result) == image.shape
            and arrays.is_device(result) == arrays.is_device(image)
            and getattr(result.dtype, "kind", None) == "f"
        )
        if not fits:
            got = getattr(result, "dtype", type(result).__name__)
            raise ArgumentError(
                f"PlugAndPlay.denoiser: expected it to return a real array of {image.shape} on the "
                f"machine of its input, got {got} of {np.shape(result)}; wrap it in a function "
                "that converts"
            )
        vectors.check_finite("PlugAndPlay.denoiser: its result", result)
        return result
