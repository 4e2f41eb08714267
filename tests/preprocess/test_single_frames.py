"""A wrong value of a single dark or flat, and a hot pixel, which is right in both."""

from __future__ import annotations

import numpy as np
import pytest

from physrecon.preprocess.line_integrals import prepare, prepare_counts

VIEWS, COLUMNS, AT = 60, 80, 41
U = np.arange(COLUMNS) - 39.5
P = 0.05 * np.sqrt(np.maximum(25**2 - U**2, 0)) * np.ones((VIEWS, 3, 1))


def scan(seed=0, gains=0.02, flats=1):
    """Counts, flats and one dark of pixels that are not alike."""
    rng = np.random.default_rng(seed)
    gain = 1 + gains * rng.standard_normal((3, COLUMNS))
    means = 20_000 * gain * np.exp(-P), 20_000 * np.stack([gain] * flats), np.zeros((1, 3, COLUMNS))
    return [np.rint(rng.poisson(m + 200) + 3 * rng.standard_normal(m.shape)) for m in means]


@pytest.mark.parametrize("off", [250, 500, 3000])
def test_a_wrong_column_of_a_single_dark_is_not_taken(off):
    counts, flat, dark = scan(flats=10)
    clean, _ = prepare(counts, flat, dark)
    dark[:, :, AT] += off
    p, repairs = prepare(counts, flat, dark)
    np.testing.assert_allclose(p.mean(axis=0), clean.mean(axis=0), atol=6e-3)
    assert repairs.field_outliers == 3 and "of a single frame" in repairs.sentences()[0]


@pytest.mark.parametrize("off", [300, 3000])
def test_a_hot_column_of_all_frames_stays(off):
    counts, flat, dark = scan()
    clean, _ = prepare(counts, flat, dark)
    for frames in (counts, flat, dark):
        frames[:, :, AT] += off
    p, repairs = prepare(counts, flat, dark)
    np.testing.assert_allclose(p, clean, atol=1e-9)
    assert repairs.sentences() == []


@pytest.mark.parametrize("off", [4000, 30_000, -8000])
def test_a_wrong_column_of_a_single_flat_is_filled(off):
    counts, flat, dark = scan()
    flat[:, :, AT] += off
    p, repairs = prepare(counts, flat, dark)
    assert np.abs((p - P)[:, :, AT].mean(axis=0)).max() < 0.02
    _, blank, *_ = prepare_counts(counts, flat, dark)
    assert repairs.field_outliers == 3 and (blank[:, :, AT] == 0).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gains", [0.0, 0.02, 0.1])
def test_single_frames_of_uneven_pixels_are_kept(seed, gains):
    assert prepare(*scan(seed, gains))[1].sentences() == []
