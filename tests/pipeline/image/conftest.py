"""An image and a stack, each with its PSF."""

from __future__ import annotations

import numpy as np
import pytest
from blurred_images import INSIDE, PSF, blurred, scene

from physrecon.io import write_image
from physrecon.psf import gaussian


@pytest.fixture
def image(here):
    truth = scene()
    write_image("i.tif", blurred(truth, light=20)[INSIDE], "YX", 0.1, "um")
    write_image("p.tif", PSF, "YX")
    return truth[INSIDE]


@pytest.fixture
def stack(here):
    psf = gaussian((7, 15, 15), 2.0)
    psf *= np.random.default_rng(0).random(psf.shape)  # no sum of few separable ones
    write_image("i.tif", blurred(scene((24, 128, 128)), psf / psf.sum()), "ZYX")
    write_image("p.tif", psf, "ZYX")


@pytest.fixture
def series(here):
    frames = np.stack([[blurred(scene(seed=10 * t + c)) for c in range(2)] for t in range(3)])
    write_image("i.tif", frames, "TCYX")
    write_image("p.tif", PSF, "YX")
    return frames
