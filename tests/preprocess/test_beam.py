"""A beam that a monitor or the counting times tell: counts = dark + beam · gain · T."""

from __future__ import annotations

import numpy as np
import pytest

from physrecon.errors import ArgumentError
from physrecon.preprocess.line_integrals import prepare, prepare_counts

VIEWS, FLATS, SHAPE = 12, 6, (2, 24)
DARK = 100.0
GAIN = 1000 * (1 + np.arange(48).reshape(SHAPE) / 100)
TRUTH = np.linspace(0, 2, VIEWS)[:, None, None] * np.ones(SHAPE)
OF_VIEWS = 1 - 0.4 * np.arange(VIEWS) / VIEWS
OF_FLATS = np.linspace(0.2, 2, FLATS)  # far apart: none is left out as a flat without beam


def frames():
    """Counts of the views, flats and darks."""
    counts = DARK + OF_VIEWS[:, None, None] * GAIN * np.exp(-TRUTH)
    return counts, DARK + OF_FLATS[:, None, None] * GAIN, np.full((3, *SHAPE), DARK)


@pytest.mark.parametrize("unit", [1, 1e-30, 2e5])
def test_line_integrals_do_not_depend_on_the_beam(unit):
    y, repairs = prepare(*frames(), beam=(unit * OF_VIEWS, unit * OF_FLATS))
    np.testing.assert_allclose(y, TRUTH, atol=1e-5)
    assert repairs.sentences() == []


def test_flats_between_which_the_beam_drifts_are_interpolated_at_one_beam():
    positions = np.linspace(0, 1, FLATS)
    y, _ = prepare(*frames(), flat_positions=positions, beam=(OF_VIEWS, OF_FLATS))
    np.testing.assert_allclose(y, TRUTH, atol=1e-5)


def test_the_blank_of_raw_counts_follows_the_beam():
    counts, blank, dark, _ = prepare_counts(*frames(), beam=(OF_VIEWS, OF_FLATS))
    np.testing.assert_allclose(blank, OF_VIEWS[:, None, None] * GAIN, rtol=1e-6)
    np.testing.assert_allclose(-np.log((counts - dark) / blank), TRUTH, atol=1e-5)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_a_beam_is_positive(bad):
    of_views = OF_VIEWS.copy()
    of_views[3] = bad
    with pytest.raises(ArgumentError, match="beam: expected 12 positive numbers"):
        prepare(*frames(), beam=(of_views, OF_FLATS))
    with pytest.raises(ArgumentError, match="beam: expected 6 positive numbers"):
        prepare(*frames(), beam=(OF_VIEWS, OF_FLATS[:-1]))
