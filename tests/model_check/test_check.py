"""The test of a residual: noise passes, whatever its correlation within a view, and every planted
pattern is named."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

import physrecon as pr
from physrecon.model_check.causes import advice

SCAN = ("view", "row", "column")
IMAGE = ("row", "column")


def noise(shape=(90, 1, 110), seed=0, shared=0.0):
    r = np.random.default_rng(seed).standard_normal(shape)
    if shared:
        r = gaussian_filter1d(r, shared, axis=-1)
    return r / r.std()


@pytest.mark.parametrize("shared", [0.0, 0.8, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_noise_fits(seed, shared):
    for r, axes in (
        (noise((90, 1, 110), seed, shared), SCAN),
        (noise((60, 80), seed, shared), IMAGE),
    ):
        check = pr.check_model(r, axes)
        assert check.fits and not check.causes and not check.sentence
        assert check.chi2 == pytest.approx(1, rel=1e-2)


def test_figures_of_a_residual_by_hand():
    r = np.array([[1.0, 1.0], [-3.0, np.nan]])
    check = pr.check_model(r, IMAGE)
    assert check.chi2 == pytest.approx((1 + 1 + 9) / 3)
    assert check.maps["row"].tolist() == [1, 9] and check.maps["column"].tolist() == [5, 1]
    # neighbours along a row: 1·1; the sum of squares: 11
    assert check.correlation["column"] == pytest.approx(1 / 11)


@pytest.mark.parametrize(
    "cause, change",
    {
        "drift": lambda v, u: 0.4 * np.sin(v / 3) + 0 * u,
        "columns": lambda v, u: 2.0 * (u == 40) + 0 * v,
    }.items(),
)
def test_views_and_columns_are_named(cause, change):
    v, u = np.arange(90.0)[:, None], np.arange(110.0)
    check = pr.check_model(noise() + change(v, u)[:, None], SCAN)
    assert not check.fits and check.causes[0][0] == cause
    assert advice(cause) in check.sentence


def test_a_pattern_is_named_by_its_share():
    pattern = np.cos(np.arange(80) / 4)[:, None] * np.sin(np.arange(70) / 5)
    other = np.sin(np.arange(80) / 4)[:, None] * np.sin(np.arange(70) / 5)
    r = noise((80, 70), 3) + 0.5 * pattern
    patterns = {"srgb": other, "psf-wide": pattern}
    check = pr.check_model(r, IMAGE, patterns)
    assert [name for name, _ in check.causes] == ["psf-wide"]
    expected = (r * pattern).sum() ** 2 / (pattern**2).sum() / (r**2).sum()
    assert check.causes[0][1] == pytest.approx(expected)
    # one pattern counts with its own sign only; several count with any
    assert pr.check_model(r, IMAGE, {"psf-wide": -pattern}).fits
    several = pr.check_model(r, IMAGE, {"axis": np.stack([-pattern, other])})
    assert several.causes[0][0] == "axis"


def test_views_that_are_alike_do_not_fit():
    """A residual that stays from view to view is no noise, also where no cause is known."""
    r = noise()
    r[1:] += 0.8 * np.roll(r, 1, 0)[1:]
    r[2:] += 0.8 * r[:-2]
    check = pr.check_model(r, SCAN)
    assert not check.fits and "no known cause" in check.sentence


def test_a_missing_datum_changes_nothing_else():
    r = noise()
    r[3, 0, 5] = np.nan
    assert pr.check_model(r, SCAN).fits


@pytest.mark.parametrize("axes", [("row",), ("row", "row"), ("row", "time")])
def test_axes_are_checked(axes):
    with pytest.raises(pr.ArgumentError, match="axes"):
        pr.check_model(noise((20, 20)), axes)


def test_infinity_is_refused():
    with pytest.raises(pr.ArgumentError, match="finite"):
        pr.check_model(np.full((4, 4), np.inf), IMAGE)


@pytest.mark.parametrize("seed", range(6))
def test_few_data_are_no_doubt(seed):
    """Of 640 data eight patterns explain a tenth by chance."""
    r = noise((20, 1, 32), seed, 0.7)
    t = np.linspace(0, 1, 20)[:, None, None]
    drift = np.stack([np.cos(np.pi * k * t) + 0 * r for k in range(1, 9)])
    assert pr.check_model(r, SCAN, {"drift": drift}).fits
    # a strong one is told all the same
    strong = pr.check_model(r + 1.5 * drift[3], SCAN, {"drift": drift})
    assert strong.causes[0][0] == "drift"


def test_a_fit_counts_more_than_the_pattern_that_begins_it():
    pattern = np.cos(np.arange(90) / 4)[:, None, None] * np.ones((1, 110))
    r = noise() + 0.4 * pattern
    several = np.stack([pattern, np.sin(np.arange(90) / 4)[:, None, None] + 0 * pattern])
    check = pr.check_model(r, SCAN, {"angles": pattern}, {"angles": 0.9})
    assert check.causes[0] == ("angles", 0.9)
    # an object that moves explains more than another axis, unless a fit of the axis does as much
    share = pr.check_model(r, SCAN, {"moved": several}).causes[0][1]
    for axis, first in ((0.5 * share, "moved"), (1.1 * share, "axis")):
        other = np.stack([noise(seed=8), noise(seed=9)])
        check = pr.check_model(r, SCAN, {"axis": other, "moved": several}, {"axis": axis})
        assert check.causes[0][0] == first
