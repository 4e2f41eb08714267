"""How far two images are apart, or from the truth.

PSNR = 20 log₁₀(range / rms difference).  SSIM of Z. Wang, A. C. Bovik, H. R. Sheikh and
E. P. Simoncelli, IEEE Trans. Image Process. 13 (2004) 600, eq. 13: means, variances and covariance
of 7 × 7 windows with unbiased estimates, C₁ = (0.01 range)², C₂ = (0.03 range)², the mean over all
windows that lie within the image.  The range is that of the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physrecon import arrays
from physrecon.errors import ArgumentError
from physrecon.notebook import html

Image = NDArray[np.float64]
WINDOW = 7  # pixels


@dataclass(frozen=True, repr=False)
class Comparison:
    """The outcome of `compare`.

    measure: name of the image that the others are compared with.  error: name → rms difference over
    the rms of the measure.  psnr: name → [dB].  ssim: name → 1 for equal images; NaN where the
    planes are smaller than its windows.  images: name → float64 array, the measure last.

    >>> found = pr.compare([[1.0, 2.0]], [[1.0, 2.5]], truth=[[1.0, 3.0]], names=("fbp", "tv"))
    >>> {name: round(value, 2) for name, value in found.psnr.items()}  # 20 log₁₀(2/√½), (2/√⅛)
    {'fbp': 9.03, 'tv': 15.05}
    """

    measure: str
    error: dict[str, float]
    psnr: dict[str, float]
    ssim: dict[str, float]
    images: dict[str, Image] = field(repr=False)

    def profile(self, axis: int = -1) -> dict[str, Image]:
        """Name → the line along `axis` through the middle of the other axes."""
        shape = self.images[self.measure].shape
        middle: list[Any] = [n // 2 for n in shape]
        middle[axis] = slice(None)
        return {name: image[tuple(middle)] for name, image in self.images.items()}

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw the middle planes in one grey scale and their middle row: a matplotlib Figure.

        path: a PNG file to write it to as well."""
        from physrecon.pictures.comparison import draw_comparison

        return draw_comparison(self._planes(), {n: self._figures(n) for n in self.error}, path)

    def _planes(self) -> dict[str, Image]:
        planes = {}
        for name, image in self.images.items():
            every = image.reshape(-1, *image.shape[-2:])
            planes[name] = every[len(every) // 2]
        return planes

    def _figures(self, name: str) -> str:
        return (
            f"error {self.error[name]:.4f}, PSNR {self.psnr[name]:.2f} dB, "
            f"SSIM {self.ssim[name]:.4f}"
        )

    def __repr__(self) -> str:
        lines = [f"  {name}: {self._figures(name)}" for name in self.error]
        return "\n".join([f"Comparison with {self.measure}", *lines])

    def _repr_html_(self) -> str:
        return html(repr(self), np.concatenate([*self._planes().values()], axis=1))


def compare(
    a: ArrayLike,
    b: ArrayLike,
    truth: ArrayLike | None = None,
    *,
    names: tuple[str, str] = ("a", "b"),
) -> Comparison:
    """Compare two images or volumes with the truth, or the second with the first.

    Args:
        a, b: real and finite, of one shape with two axes or more.  SSIM takes planes (y, x).
        truth: of the same shape; without it `a` stands for it.
        names: of a and b in what is printed and drawn.
    Returns:
        Comparison: error, PSNR and SSIM by name; `profile()`, `plot()`.
    Raises:
        ArgumentError: for unequal shapes, one axis, complex values, NaN or infinity.
    Source:
        Z. Wang et al., IEEE Trans. Image Process. 13 (2004) 600.

    Example:
        >>> x = pr.datasets.shepp_logan((1, 32, 32))
        >>> pr.compare(x + np.float32(0.1), x, truth=x, names=("shifted", "same")).ssim["same"]
        1.0
    """
    given = {names[0]: a, names[1]: b} | ({} if truth is None else {"truth": truth})
    if len(given) < 2 + (truth is not None):
        raise ArgumentError(f'compare.names: expected two, and none of them "truth", got {names}')
    images = {name: _checked(name, value) for name, value in given.items()}
    if len({image.shape for image in images.values()}) > 1:
        shapes = ", ".join(f"{name} {image.shape}" for name, image in images.items())
        raise ArgumentError(f"compare: expected images of one shape, got {shapes}")
    measure = names[0] if truth is None else "truth"
    target = images.pop(measure)
    span = float(np.ptp(target))
    size = float(np.sqrt(np.mean(target**2)))
    rms = {name: float(np.sqrt(np.mean((one - target) ** 2))) for name, one in images.items()}
    with np.errstate(divide="ignore", invalid="ignore"):  # equal images, or a constant one
        return Comparison(
            measure,
            {name: float(np.float64(value) / size) for name, value in rms.items()},
            {name: float(20 * np.log10(np.float64(span) / v)) for name, v in rms.items()},
            {name: _ssim(one, target, span) for name, one in images.items()},
            images | {measure: target},
        )


def _checked(name: str, value: Any) -> Image:
    array = arrays.to_host(arrays.plain(f"compare.{name}", value))
    if array.dtype.kind not in "fiub" or array.ndim < 2 or not array.size:
        raise ArgumentError(
            f"compare.{name}: expected real numbers with two axes or more, got {array.dtype} of "
            f"{array.shape}"
        )
    if not np.isfinite(array).all():
        raise ArgumentError(f"compare.{name}: expected finite values, got NaN or infinity")
    return array.astype(np.float64)


def _ssim(x: Image, y: Image, span: float) -> float:
    """The mean over windows of planes, 1 for equal images."""
    from scipy.ndimage import uniform_filter

    if min(x.shape[-2:]) < WINDOW or span == 0:
        return float("nan")
    size = (1,) * (x.ndim - 2) + (WINDOW, WINDOW)
    inside = (..., *[slice(WINDOW // 2, -(WINDOW // 2))] * 2)

    def mean(values: Image) -> Image:
        return np.asarray(uniform_filter(values, size)[inside])

    mx, my = mean(x), mean(y)
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    vx, vy, vxy = (
        unbiased * (mean(p) - m) for p, m in ((x * x, mx * mx), (y * y, my * my), (x * y, mx * my))
    )
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    ratio = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(ratio.mean())
