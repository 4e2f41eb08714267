"""Blurred images in the current folder, and the command that sharpens them."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import convolve, gaussian_filter

from physrecon.cli.main import main
from physrecon.io import open_image, write_image
from physrecon.jobs.image_job import ImageJob
from physrecon.psf import gaussian

PSF = gaussian((9, 9), 1.3)


def scene(shape=(40, 40), seed=0) -> np.ndarray:
    """Discs and points on a dark ground, larger than the frame that is seen of it."""
    rng = np.random.default_rng(seed)
    truth = np.full(shape, 100.0)
    for _ in range(12):
        truth[tuple(rng.integers(0, n) for n in shape)] += 4000
    return gaussian_filter(truth, 0.7) + 600 * (gaussian_filter(rng.random(shape), 3) > 0.5)


def blurred(truth, psf=PSF, seed=1, light=1) -> np.ndarray:
    """What a camera counts of the scene, in photons; `light` times as many have been counted."""
    mean = convolve(truth, psf.reshape((1,) * (truth.ndim - psf.ndim) + psf.shape), mode="nearest")
    return (np.random.default_rng(seed).poisson(light * mean) / light).astype(np.float32)


INSIDE = (..., slice(5, -5), slice(5, -5))


def read(path) -> np.ndarray:
    with open_image(path) as opened:
        return opened[...]


def command(*options, image="i.tif", psf="p.tif", output="o.tif") -> int:
    return main(["deconvolve", str(image), "--psf", str(psf), "-o", str(output), *options])


def make(**fields) -> ImageJob:
    return ImageJob.build({"input": "i.tif", "psf": "p.tif", "output": "o.tif", **fields}, "test")


def error(x, truth) -> float:
    return float(np.sqrt(np.mean((x - truth) ** 2)))


def put(**changed):
    """Write the image i.tif and the PSF p.tif, one of them bad."""
    y, psf = changed.pop("y", blurred(scene())), changed.pop("psf", PSF)
    axes = {2: "YX", 3: "ZYX"}
    write_image("i.tif", y, axes[y.ndim])
    write_image("p.tif", psf, axes[psf.ndim])
