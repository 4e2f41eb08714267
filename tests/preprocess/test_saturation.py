"""The largest number of a detector: stated, or seen as a plateau; never where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from physrecon.preprocess.line_integrals import prepare

VIEWS, COLUMNS = 90, 64
U = np.arange(COLUMNS) - 31.5
DISC = 0.06 * np.sqrt(np.maximum(22**2 - U**2, 0)) * np.ones((VIEWS, 2, 1))


def scan(blank=5000.0, dark=100.0, p=DISC, seed=0, flats=6, darks=6):
    """Noisy counts, flats and darks."""
    rng = np.random.default_rng(seed)
    means = blank * np.exp(-p), np.full((flats, 2, COLUMNS), blank), np.zeros((darks, 2, COLUMNS))
    return [rng.poisson(mean + dark).astype(np.uint16) for mean in means]


def said(*frames, **options):
    """The sentence on saturation, or ""."""
    sentences = prepare(*frames, **options)[1].sentences()
    return next((one for one in sentences if "saturated" in one), "")


@pytest.mark.parametrize("top", [3000, 4000, 4095, 5050])
@pytest.mark.parametrize("step", [1, 16])
@pytest.mark.parametrize("number", [1, 6])
def test_a_camera_that_clips_below_its_type_is_told(top, step, number):
    frames = [np.minimum(a, top).astype(np.uint32) * step for a in scan(flats=number, darks=number)]
    words = said(*frames)
    assert f"at {top * step:g}" in words and "--saturation" in words
    views, flats = (np.count_nonzero(a == top * step) for a in frames[:2])
    assert words.startswith(f"{views} of {frames[0].size} values of projections and {flats} of")


def test_a_camera_that_clips_a_beam_of_few_flats_is_told():
    frames = scan(darks=0)
    assert "at 4000" in said(*(np.minimum(a, 4000) for a in frames[:2]))


@pytest.mark.parametrize("blank", [0.3, 2.0, 20.0, 300.0, 60_000.0])
@pytest.mark.parametrize("dark", [0.0, 3.0])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("p", [DISC, 0 * DISC], ids=["disc", "air"])
def test_poisson_counts_are_not_saturated(blank, dark, seed, p):
    if blank > 1:
        assert said(*scan(blank, dark, p, seed)) == ""
        assert said(*scan(blank, dark, p, seed, flats=1, darks=1)) == ""


@pytest.mark.parametrize("kind", [np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("p", [DISC, 2.0 * (DISC > 0)], ids=["disc", "binary"])
@pytest.mark.parametrize("number", [1, 4])
def test_air_without_noise_is_not_saturated(kind, p, number):
    shape = (number, 2, COLUMNS)
    frames = 50 + 9950 * np.exp(-p), np.full(shape, 1e4), np.full(shape, 50.0)
    whole = np.rint if kind is np.uint16 else np.asarray
    assert said(*(whole(a).astype(kind) for a in frames)) == ""
    drift = np.linspace(0.8, 1, number)[:, None, None]
    assert said(*(whole(a).astype(kind) for a in (frames[0], frames[1] * drift, frames[2]))) == ""


def test_a_stuck_pixel_is_not_saturated():
    counts, flats, darks = scan()
    counts[:, :, 7] = flats[:, :, 7] = 9000
    assert said(counts, flats, darks) == ""


def test_a_stated_saturation_is_taken():
    counts, flats, darks = scan(3000)
    limit = int(np.sort(counts.ravel())[-11])
    number = np.count_nonzero(counts >= limit)
    words = said(counts, flats, darks, saturation=limit)
    assert said(counts, flats, darks) == "" and words.startswith(f"{number} of {counts.size}")
