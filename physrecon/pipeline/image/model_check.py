"""Does the PSF of a job fit its image?  The middle of the first frame is tested.

What a result may still learn, its noise or its edges, is no fault of the model.  At frequencies f
where the PSF passes light a better image explains all, so the residual r is filtered by
λ / (|H(f)|² + λ): what is left, no image explains."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from physrecon import arrays
from physrecon.jobs.image_job import ImageJob
from physrecon.likelihoods.noise_level import DIFFERENCE, noise_level
from physrecon.model_check.check import check_model
from physrecon.operators.blur.blur import Blur
from physrecon.pipeline.image.odd_lines import odd_lines
from physrecon.pipeline.image.psf import JobPSF
from physrecon.pipeline.image.psf_doubt import better_psf
from physrecon.pipeline.image.survey import grey_values_per_count
from physrecon.pipeline.model_check import Checked
from physrecon.psf.spectrum import MOST

Array = NDArray[np.floating[Any]]

MOST_VOXELS = 1 << 18
LAMBDA = 1e-3  # relative to the largest |H|²
TAPER = 16  # pixels over which the residual fades at the edges
DARK = 0.05  # of the mean; darker expected data count as so bright
SRGB = 0.045  # of χ²; a wrong PSF explains less of what sRGB values leave
MIN_LENGTH = 32  # of the part that is tested, in pixels


class FrameCheck:
    """The data of the part of a frame that is tested, kept before a solver changes them.

    None of it if the PSF fills the frame: then the edges are everywhere."""

    def __init__(self, job: ImageJob, psf: JobPSF, y: Any, level: float) -> None:
        self.job, self.psf, self.level = job, psf, level
        rank = psf.values.ndim
        lengths = zip(y.shape[-rank:], psf.values.shape, strict=True)
        inner = ((n - k + 1, n) for n, k in lengths)
        self.usable = all(k >= MIN_LENGTH and 2 * k >= n for k, n in inner if n > 1)
        if self.usable:
            self._place(y)

    def _place(self, y: Any) -> None:
        rank, k = self.psf.values.ndim, self.psf.values.shape
        leading = tuple(slice(n // 2, n // 2 + 1) for n in y.shape[: y.ndim - rank])
        most = round(MOST_VOXELS ** (1 / rank))
        part = []
        for n, m, c in zip(y.shape[-rank:], k, self.psf.center, strict=True):
            before, after = m - 1 - c, c
            length = min(n - before - after, most)
            start = before + (n - before - after - length) // 2
            part.append(slice(start, start + length))
        self.part = (*leading, *part)
        self.source = (
            *leading,
            *(
                slice(s.start - (m - 1 - c), s.stop + c)
                for s, m, c in zip(part, k, self.psf.center, strict=True)
            ),
        )
        self.y = np.array(arrays.to_host(y[self.part]), np.float32)
        # a spectrum needs no object around it, and tells the more, the larger it is
        middle = (slice((n - min(n, MOST)) // 2, (n + min(n, MOST)) // 2) for n in y.shape[-rank:])
        self.whole = np.array(arrays.to_host(y[(*leading, *middle)]), np.float64)
        self.corner = [(n - min(n, MOST)) // 2 for n in y.shape[-2:]]

    def check(self, x: Any, psf: Array | None = None) -> Checked:
        """The check of the frame x, and the residual that was tested, in standard deviations.

        psf: one that was found along with x.  None for a part that cannot be tested, or without
        noise."""
        if not self.usable or self.y.shape[-1] < len(DIFFERENCE):
            return None
        h = np.asarray(self.psf.values if psf is None else psf, np.float64)
        h = h / h.sum() if self.job.normalize and h.sum() > 0 else h
        rank = h.ndim
        shape = self.y.shape[-rank:]
        A = Blur(h, shape, "unknown", center=self.psf.center, oversize=True)
        object_ = np.array(arrays.to_host(x[self.source]), np.float32).reshape(A.in_shape)
        y = self.y.reshape(shape)
        p = A @ object_
        deviation = self._deviation(y, p)
        if deviation is None:
            return None
        residual = (y - self.level - p) / deviation
        chi2 = float((residual.astype(np.float64) ** 2).mean())
        curved = (A @ (object_ * object_) - p * p) / np.maximum(p, DARK * abs(float(p.mean())))
        unexplained = _Unexplained(h, shape)
        axes = ("plane", "row", "column")[-rank:]
        left = unexplained(residual)
        lines, named = self._lines()
        if lines:  # they look like many a cause, and are mended first
            return check_model(left, axes, None, lines, chi2, named), left, (1, 1)
        better = better_psf(self.whole.reshape(self.whole.shape[-rank:]), h)
        shares = {cause: share for cause, (share, _) in better.items()}
        amounts = {cause: words for cause, (_, words) in better.items()}
        patterns = {"srgb": unexplained(curved / deviation)}
        check = check_model(left, axes, patterns, shares, chi2, amounts)
        if dict(check.causes).get("srgb", 1.0) < SRGB:
            check = check_model(left, axes, None, shares, chi2, amounts)
        return check, left, (1, 1)

    def _lines(self) -> tuple[dict[str, float], dict[str, str]]:
        """The share of χ² of single rows and columns that are off, and which these are."""
        plane = self.whole.reshape(-1, *self.whole.shape[-2:]).sum(0)
        found = odd_lines(plane) if np.isfinite(plane).all() else {}
        squares = sum(size**2 for lines in found.values() for size in lines.values())
        words = [
            f"{name} {', '.join(str(start + i) for i in sorted(found[axis]))}"
            for axis, (name, start) in enumerate(zip(("row", "column"), self.corner, strict=True))
            if axis in found
        ]
        share = squares / (squares + plane.size)
        return {"lines": share} if found else {}, {"lines": ", ".join(words)}

    def _deviation(self, y: Array, p: Array) -> Any:
        """The standard deviation of the data; None if no noise is seen."""
        if self.job.likelihood == "poisson":
            gain = grey_values_per_count(y)
            mean = np.maximum(p + self.level, DARK * abs(float(y.mean())))
            return np.sqrt(gain * mean).astype(np.float32) if gain > 0 else None
        sigma = float(noise_level(y)[0])
        return sigma if sigma > 1e-6 * float(np.abs(y).max()) else None


class _Unexplained:
    """The part of a residual that no image explains."""

    def __init__(self, psf: Array, shape: tuple[int, ...]) -> None:
        self.shape = shape
        power = np.abs(fft.rfftn(psf, shape)) ** 2
        bound = LAMBDA * float(power.max())
        self._filter = bound / (power + bound)
        self._taper = np.ones(())
        for n in shape:
            edge = (np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5) / min(TAPER, n / 2)
            self._taper = self._taper[..., None] * np.minimum(edge, 1)

    def __call__(self, r: Array) -> Array:
        spectrum = fft.rfftn(r * self._taper, self.shape)
        return fft.irfftn(spectrum * self._filter, self.shape)
