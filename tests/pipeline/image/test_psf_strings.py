"""`--psf MODEL:…` with any words: a PSF or a sentence, at once and within the frame."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from physrecon.errors import ArgumentError, PhysreconError
from physrecon.io import open_image, write_image
from physrecon.jobs.image_job import ImageJob
from physrecon.pipeline.image.psf import read_psf

NEEDED = {
    "gaussian": ["sigma"], "airy": ["wavelength", "na"], "defocus": ["radius"],
    "motion": ["length", "angle", "angle_unit"], "moffat": ["fwhm", "beta"],
    "born-wolf": ["wavelength", "na", "index"],
    "gibson-lanni": ["wavelength", "na", "immersion_index"],
}  # fmt: skip
MORE = {
    "airy": ["oversampling"], "moffat": ["oversampling"], "born-wolf": ["oversampling"],
    "gibson-lanni": ["sample_index", "depth", "coverslip", "nominal_coverslip",
                     "nominal_immersion", "focus", "oversampling"],
}  # fmt: skip
GOOD = {
    "sigma": ["0.2", "0.3,0.2"], "wavelength": ["0.5"], "na": ["0.8", "1.2"],
    "oversampling": ["3"], "index": ["1.33"], "immersion_index": ["1.515"],
    "sample_index": ["1.33"], "depth": ["3", "0"], "coverslip": ["170,1.515"],
    "nominal_coverslip": ["170,1.5"], "nominal_immersion": ["100,1.515"], "focus": ["-1"],
    "radius": ["0.3"], "length": ["0.7"], "angle": ["30"], "angle_unit": ["deg"],
    "fwhm": ["0.4"], "beta": ["2.5"], "shape": ["9", "9,9", "3,9,9"],
}  # fmt: skip
BAD = [
    "0", "-1", "1e308", "1.7e308", "-1e308", "1e-308", "5e-324", "1e-30", "1e6", "1000", "inf",
    "nan", "", "x", "9" * 21, "9" * 5000, "99999999", "1,2,3,4", "1e308,1", "0x10", "None", "2.5",
    "1.0000000000000002", "é", "1e9,1.5", "0,0", "=", "1=2", "deg",
]  # fmt: skip
IMAGES = {"YX": ((40, 44), 0.1), "ZYX": ((7, 40, 44), (0.3, 0.1, 0.1))}


def words(dice) -> str:
    """A model with most of its parameters, most of them possible."""
    name = dice.choice(list(NEEDED))
    some = [key for key in (*MORE.get(name, ()), "shape") if dice.random() < 0.4]
    keys = [key for key in NEEDED[name] if dice.random() < 0.97] + some
    parts = [f"{key}={dice.choice(GOOD[key] if dice.random() < 0.65 else BAD)}" for key in keys]
    text = f"{name}:{','.join(parts)}"
    if dice.random() < 0.05:
        i = dice.randrange(len(text))
        text = text[:i] + dice.choice(["", "\0", "%b", "/", "::", ":", "\n", "\ud800"]) + text[i:]
    return text


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.filterwarnings("error")
def test_any_words_are_a_psf_or_a_sentence(seed, here):
    dice, made = random.Random(seed), 0
    for axes, (shape, size) in IMAGES.items():
        image = np.random.default_rng(0).random(shape, np.float32)
        write_image(f"{axes}.tif", image, axes, size, "um")
    for _ in range(60):
        path, text = f"{dice.choice(list(IMAGES))}.tif", words(dice)
        more = {"oversize": dice.random() < 0.2, "planewise": len(path) > 6 and dice.random() < 0.5}
        start = time.monotonic()
        try:
            job = ImageJob.build({"input": path, "psf": text, "output": "o.tif", **more}, "test")
            with open_image(path) as image:
                psf = read_psf(job, image)
        except PhysreconError as problem:
            assert problem.exit_code in (64, 65, 66), text
            assert len(str(problem)) < 6000, text
        else:
            made += 1
            assert np.isfinite(psf.values).all() and psf.values.sum() > 0, text
        assert time.monotonic() - start < 10, text
    assert made > 5


@pytest.mark.parametrize(
    "text, words",
    [
        ("gaussian:sigma=0.2,shape=1e308", ["positive integers"]),
        ("gaussian:sigma=0.2,shape=inf", ["positive integers"]),
        ("gaussian:sigma=0.2,shape=9,9,9", ["two dimensions", "got one of a stack"]),
        ("gaussian:sigma=0.2,shape=41", ["(40, 44)", "--oversize"]),
        (f"gaussian:sigma=0.2,shape={'9' * 21}", ["(40, 44)"]),
        ("gaussian:sigma=0.2,sigma=0.3", ["sigma twice"]),
        ("gaussian:sigma=2e-7", ["above 0.0001", "one unit"]),
        ("moffat:fwhm=0.4,beta=1e308", ["beta", "at most 1000"]),
        ("defocus:radius=1e-308", ["radius", "voxels"]),
    ],
)
def test_a_parameter_beyond_its_range(text, words, here):
    write_image("i.tif", np.ones((40, 44), np.float32), "YX", 0.1, "um")
    job = ImageJob.build({"input": "i.tif", "psf": text, "output": "o.tif"}, "test")
    with open_image("i.tif") as image, pytest.raises(ArgumentError) as refused:
        read_psf(job, image)
    for word in words:
        assert word in str(refused.value)
