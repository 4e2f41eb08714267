"""Zingers: found in views and in flats and darks, and nothing else taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from physrecon.preprocess.frame_outliers import count_step, outlying
from physrecon.preprocess.line_integrals import prepare, prepare_counts
from physrecon.preprocess.zingers import find_zingers

COLUMNS = 96


def line_integrals(views, columns=COLUMNS, turn=np.pi):
    """A disc with a hole, a bright gap of one pixel, and a dense rod off the axis: sharp edges."""
    theta = np.arange(views)[:, None] * turn / views
    u = np.arange(columns) - (columns - 1) / 2

    def disc(x, y, r):
        s = u - x * np.cos(theta) - y * np.sin(theta)
        return 2 * np.sqrt(np.maximum(r * r - s * s, 0))

    p = 0.02 * disc(2, 3, 0.4 * columns) - 0.02 * disc(10, -5, 4)
    p += 0.5 * disc(-15, 8, 3) - 0.02 * disc(-3, 14, 0.8)
    return np.maximum(p, 0)[:, None]


def counted(blank, views=180, seed=0):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(blank * np.exp(-line_integrals(views))) + 50
    flats = rng.poisson(blank, (20, 1, COLUMNS)) + 50
    darks = np.full((20, 1, COLUMNS), 50)
    return (a.astype(np.uint32) for a in (counts, flats, darks))


@pytest.mark.parametrize("blank", [1, 10, 100, 3e3, 1e5])
@pytest.mark.parametrize("views", [24, 180])
def test_clean_data_are_left_alone(blank, views):
    for seed in range(3):
        counts, flats, darks = counted(blank, views, seed)
        t = (counts - 50.0) / blank
        assert find_zingers(lambda v, t=t: t[v], views, None, 1 / blank)[0].size == 0
        assert not outlying(flats, np.ones(flats.shape[:2], bool)).any()
    p, repairs = prepare(counts, flats, darks)
    q, _ = prepare(counts, flats, darks, zingers="none")
    assert repairs.zingers == repairs.field_outliers == 0
    np.testing.assert_array_equal(p, q)


@pytest.mark.parametrize("views", [12, 45, 180])
def test_edges_without_noise_are_left_alone(views):
    t = np.exp(-line_integrals(views))
    assert find_zingers(lambda v: t[v], views)[0].size == 0


@pytest.mark.parametrize("views", [12, 45, 180])
@pytest.mark.parametrize("off", [0.0, 0.25, 0.5])
def test_a_crack_that_shines_in_one_view_is_left_alone(views, off):
    """A crack of 0.7 × 70 pixels in an absorber; T is far higher where it lies along the beam."""
    theta = (np.arange(views) - views // 2 + off)[:, None] * np.pi / views
    fine = np.arange(8 * COLUMNS) / 8 - COLUMNS / 2
    wide, long = 0.7 * np.abs(np.cos(theta)), 70 * np.abs(np.sin(theta))
    height = np.minimum(0.7 / np.maximum(np.abs(np.sin(theta)), 1e-9), 70 / np.abs(np.cos(theta)))
    slope = np.maximum(np.minimum(wide, long), 1e-9)
    crack = height * np.clip(((wide + long) / 2 - np.abs(fine)) / slope, 0, 1)
    body = 2 * np.sqrt(np.maximum(40**2 - fine**2, 0))
    t = np.exp(-0.05 * np.maximum(body - crack, 0)).reshape(views, 1, COLUMNS, 8).mean(axis=3)
    assert find_zingers(lambda v: t[v], views)[0].size == 0


@pytest.mark.parametrize("views", [60, 180])
@pytest.mark.parametrize("order", ["rising", "shuffled"])
def test_bright_pixels_of_single_views_are_found_and_filled(views, order):
    counts, flats, darks = counted(1e4, views)
    clean, _ = prepare(counts, flats, darks, zingers="none")
    rng = np.random.default_rng(4)
    at = rng.integers(0, views, 40), np.zeros(40, int), rng.integers(0, COLUMNS, 40)
    counts[at] += rng.integers(20_000, 60_000, 40).astype(np.uint32)
    hit = len(set(zip(*at, strict=True)))
    angles = np.arange(views) * np.pi / views
    if order == "shuffled":
        mixed = rng.permutation(views)
        counts, clean, angles = counts[mixed], clean[mixed], angles[mixed]
    p, repairs = prepare(counts, flats, darks, angles=angles)
    assert repairs.zingers == hit and repairs.nonfinite == 0
    assert "zingers" in " ".join(repairs.sentences())
    assert np.abs(p - clean).max() < 2  # the edge of the rod, of 3
    assert np.sqrt(((p - clean) ** 2).mean()) < 0.02
    y, blank, _, found = prepare_counts(counts, flats, darks, angles=angles)
    assert found.zingers == hit and np.count_nonzero(blank == 0) == hit and y.shape == counts.shape


def test_one_bright_pixel_in_one_dark_or_flat_moves_nothing():
    counts, flats, darks = counted(1e4)
    clean, _ = prepare(counts, flats, darks)
    for frames in (flats, darks):
        frames[7, 0, 30] += 60_000
    p, repairs = prepare(counts, flats, darks)
    assert repairs.field_outliers == 2
    assert np.abs(p - clean).max() < 2e-3  # one flat less in the mean


@pytest.mark.parametrize("mean", [0.01, 0.3, 3, 100, 1e4])
@pytest.mark.parametrize("frames", [2, 3, 10, 50])
def test_means_of_clean_frames_are_exact(mean, frames):
    values = np.random.default_rng(1).poisson(mean, (frames, 4, 500)).astype(np.uint16)
    profile = np.linspace(0.3, 1, 500)
    uneven = np.random.default_rng(2).poisson(mean * profile, (frames, 4, 500))
    drift = np.linspace(0.8, 1.2, frames)[:, None, None]
    drifting = np.random.default_rng(3).poisson(mean * profile * drift, (frames, 4, 500))
    assert not outlying(values).any() and not outlying(uneven).any()
    assert not outlying(drifting, np.ones((frames, 4), bool)).any()


def test_counts_keep_their_step_in_any_unit():
    counts = np.random.default_rng(0).poisson(300, 500)
    assert count_step(counts) == 1 and count_step(counts / 1024) == 1 / 1024
    assert count_step(np.random.default_rng(0).normal(size=500)) == 0
    assert count_step(np.full(9, 100.0)) == 1 and count_step(np.full(9, 0.25)) == 0


def test_zingers_do_not_depend_on_the_slab():
    counts, flats, darks = counted(1e3)
    counts, flats, darks = (np.repeat(a, 3, axis=1) for a in (counts, flats, darks))
    counts[50, 1, 40] += 5000
    whole, repairs = prepare(counts, flats, darks)
    rows = [prepare(counts[:, r : r + 1], flats[:, r : r + 1], darks[:, r : r + 1]) for r in (0, 1)]
    assert repairs.zingers == 1 and [r.zingers for _, r in rows] == [0, 1]
    np.testing.assert_array_equal(whole[:, :2], np.concatenate([p for p, _ in rows], axis=1))
