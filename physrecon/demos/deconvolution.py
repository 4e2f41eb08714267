"""The demo of deconvolution: simulate a blurred specimen, sharpen it by two methods, compare.

The specimen consists of fluorescent filaments, shells and beads.  The widefield microscope (Born
and Wolf's PSF, light from all depths in every plane) counts photons above a background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.datasets import specimen
from physrecon.demos.demo import SIMULATE, Demo, Images
from physrecon.io import open_image, write_image
from physrecon.jobs.image_job import ImageJob
from physrecon.likelihoods.noise import PoissonNoise
from physrecon.operators.blur.blur import Blur
from physrecon.pictures.slices import draw_slice, new_figure, save
from physrecon.pipeline.messages import Messages
from physrecon.psf import born_wolf

SHAPE, PSF_SHAPE = (32, 160, 160), (31, 47, 47)
VOXEL, UNIT = (0.25, 0.1, 0.1), "um"
WAVELENGTH, NA, INDEX = 0.52, 1.2, 1.33
PHOTONS, BACKGROUND = 1500.0, 20.0  # photons: of a voxel of brightness 1, of an empty pixel
TRUTH, BLURRED, PSF = "truth.tif", "blurred.tif", "psf.tif"
JOBS: dict[str, dict[str, Any]] = {
    "wiener": {"method": "wiener"},
    "rl-tv": {"method": "rl", "prior": {"name": "tv", "weight": 1e-3}, "stop": {"iterations": 60}},
}


def _simulate(folder: Path, messages: Messages) -> None:
    truth, blurred, psf = (folder / name for name in (TRUTH, BLURRED, PSF))
    x = specimen(SHAPE, VOXEL) * np.float32(PHOTONS)
    h = born_wolf(PSF_SHAPE, WAVELENGTH, NA, VOXEL, INDEX)
    counts = PoissonNoise(BACKGROUND).sample(Blur(h, SHAPE) @ x, 0)
    for path, image in ((truth, x), (psf, h.astype(np.float32)), (blurred, counts)):
        kept = image.astype(np.uint16) if path is blurred else image
        write_image(path, kept, "ZYX", VOXEL, UNIT, overwrite=True)
    messages.result(
        f"{blurred}: a specimen {SHAPE} in a microscope\n"
        f"  widefield, NA {NA}, {counts.max():.0f} photons at most, {BACKGROUND:g} are background"
    )


def _read(path: Path) -> NDArray[np.float32]:
    with open_image(path) as image:
        return image.read().astype(np.float32)


def _load(folder: Path) -> Images:
    return {"truth": _read(folder / TRUTH), SIMULATE: _read(folder / BLURRED) - BACKGROUND}


def _draw(picture: Path, folder: Path, images: Images, scores: dict[str, float]) -> None:
    """Maximum projections along z and along y of truth, blurred image and results."""
    figure = new_figure(14, 5.6, 2 * SHAPE[1])
    grid = figure.subplots(
        2, len(images), height_ratios=(SHAPE[1] * VOXEL[1], 1.15 * SHAPE[0] * VOXEL[0])
    )
    for i, (name, image) in enumerate(images.items()):
        top = images["truth"] if name != SIMULATE else image
        window = (0.0, float(top.max()) * (0.8 if name != SIMULATE else 1.0))
        for axes, across, label in ((grid[0, i], 0, "y"), (grid[1, i], 1, "z")):
            pitch = [p for axis, p in enumerate(VOXEL) if axis != across]
            draw_slice(axes, image.max(axis=across), pitch, "µm", window, row_0_on_top=True)
            axes.set(xlabel="x [µm]", ylabel=f"{label} [µm]")
        score = f", PSNR {scores[name]:.1f} dB" if name in scores else ""
        grid[0, i].set_title(f"{'blurred' if name == SIMULATE else name}{score}")
    save(figure, picture)


def _common(folder: Path) -> dict[str, Any]:
    return {"input": folder / BLURRED, "psf": str(folder / PSF), "background": BACKGROUND}


DEMO = Demo(
    files=(TRUTH, PSF, BLURRED),
    jobs=JOBS,
    job=ImageJob,
    suffix=".tif",
    common=_common,
    simulate=_simulate,
    load=_load,
    read=_read,
    draw=_draw,
)
