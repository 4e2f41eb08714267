"""The arguments of a blur, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Shape
from physrecon.errors import ArgumentError, brief

BOUNDARIES = ("zero", "reflect", "periodic", "unknown")
ENGINES = ("auto", "fft", "direct")


def checked_psf(
    where: str, psf: Any, shape: Shape, normalize: bool | float, oversize: bool
) -> np.ndarray:
    """The PSF in float64 on the host, with two axes at least if the image has two."""
    if not (isinstance(shape, tuple | list) and all(map(vectors.is_whole, shape))):
        raise ArgumentError(f"{where}.shape: expected a tuple of whole numbers, got {brief(shape)}")
    psf = arrays.to_host(arrays.plain(f"{where}.psf", psf))
    if psf.dtype.kind not in "fiu":
        raise ArgumentError(f"{where}.psf: expected real numbers, got {psf.dtype}")
    if vectors.is_product(shape) or not 1 <= psf.ndim <= min(3, len(shape)) or not psf.size:
        raise ArgumentError(
            f"{where}.psf: expected an array of one to three axes, no more than the image has, got "
            f"one of {psf.shape} for an image of {shape}"
        )
    psf = psf.astype(np.float64)
    vectors.check_finite(f"{where}.psf", psf)
    if not psf.any():
        raise ArgumentError(f"{where}.psf: expected some light, got zeros only; check the file")
    too_long = [k > n for k, n in zip(psf.shape, shape[-psf.ndim :], strict=True)]
    if any(too_long) and not oversize:
        raise ArgumentError(
            f"{where}.psf: expected a PSF no longer than the frame of {shape}, got {psf.shape}; "
            "crop it, or say oversize=True if it is right"
        )
    if normalize:
        total = psf.sum() if isinstance(normalize, bool | np.bool_) else float(normalize)
        if not total > 1e-9 * abs(psf).sum():
            raise ArgumentError(
                f"{where}.psf: expected a positive sum to normalise by, got {total:g}; subtract "
                "its background, or check the file"
            )
        psf /= total
    while psf.ndim > 2 and psf.shape[0] == 1:
        psf = psf[0]
    return psf[None] if psf.ndim == 1 < len(shape) else psf


def checked_center(where: str, shape: Shape, center: Any) -> tuple[int, ...]:
    """The index of the centre of a PSF of `shape`: the middle, n // 2, unless given."""
    if center is None:
        return tuple(n // 2 for n in shape)
    index = (center,) if np.ndim(center) == 0 else tuple(center)
    missing = len(shape) - len(index)  # axes of length 1 that were added, or left out
    if missing > 0 and all(n == 1 for n in shape[:missing]):
        index = (0,) * missing + index
    elif missing < 0 and not any(index[:-missing]):
        index = index[-missing:]
    whole = all(isinstance(c, int | np.integer) for c in index)
    if (
        not whole
        or len(index) != len(shape)
        or any(not 0 <= c < n for c, n in zip(index, shape, strict=True))
    ):
        raise ArgumentError(
            f"{where}.center: expected an index into a PSF of {shape}, got {center}; shift the PSF "
            "if its centre lies between pixels"
        )
    return tuple(int(c) for c in index)


def check_words(where: str, boundary: str, method: str) -> None:
    for name, value, known in (("boundary", boundary, BOUNDARIES), ("method", method, ENGINES)):
        if value not in known:
            raise ArgumentError(
                f"{where}.{name}: expected one of {', '.join(known)}, got {value!r}"
            )
