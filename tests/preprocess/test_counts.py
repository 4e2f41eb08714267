"""Counts without a picture in them, doses, air, and data that are no counts."""

from __future__ import annotations

import numpy as np
import pytest

from physrecon.errors import ArgumentError, DataError
from physrecon.preprocess.line_integrals import FLOOR, prepare, prepare_counts

VIEWS, COLUMNS = 40, 60
U = np.arange(COLUMNS) - (COLUMNS - 1) / 2
DISC = 0.05 * np.sqrt(np.maximum(18**2 - U**2, 0)) * np.ones((VIEWS, 1, 1))


def scan(blank=1e4, dark=100.0, noise=0.0, p=DISC, seed=0):
    """Counts, flats and darks of a camera whose read-out noise has a standard deviation."""
    rng = np.random.default_rng(seed)

    def read(mean, frames=None):
        light = rng.poisson(mean, frames)
        return np.rint(light + dark + noise * rng.standard_normal(light.shape)).clip(0)

    shape = (20, 1, COLUMNS)
    frames = read(blank * np.exp(-p)), read(blank, shape), read(0.0, shape)
    return [a.astype(np.uint16) for a in frames]


@pytest.mark.parametrize(("noise", "least"), [(0.0, 0.5), (5.0, 2.5)])
@pytest.mark.parametrize("blank", [300, 3000])
def test_the_floor_is_half_a_count_or_half_the_noise_of_the_darks(blank, noise, least):
    counts, flats, darks = scan(blank, noise=noise)
    counts[3, 0, 5] = 0
    p, repairs = prepare(counts, flats, darks, zingers="none")
    assert p[3, 0, 5] == pytest.approx(np.log(blank / least), abs=0.2)
    assert repairs.clamped >= 1 and "--likelihood transmission" in repairs.sentences()[-1]
    q, _ = prepare(counts, flats, darks, floor=1e-3)
    assert q[3, 0, 5] == pytest.approx(np.log(1e3), rel=1e-6)


@pytest.mark.parametrize("blank", [300.0, 1000.0, 5000.0])
def test_few_counts_behind_a_dense_object_are_not_pulled_away(blank):
    """The mean of p where 5 counts of noise 5 come through: +22 % with a floor of 1e-5."""
    thick = np.broadcast_to(4.0, (400, 1, COLUMNS)) * (np.abs(U) < 20)
    counts, flats, darks = scan(blank, noise=5.0, p=thick)
    p, _ = prepare(counts, flats, darks)
    assert p[:, 0, 20:40].mean() == pytest.approx(4.0, rel=0.05)


def test_the_floor_scales_with_the_unit_of_the_counts():
    frames = [a.astype(np.float64) for a in scan(300, noise=5.0)]
    p, told = prepare(*frames)
    q, again = prepare(*(a / 1024 for a in frames))
    np.testing.assert_allclose(p, q, rtol=1e-12)
    assert told.clamped == again.clamped
    bare = np.ones((4, 1, 12)) * np.pi, np.full((2, 1, 12), np.e)
    assert prepare(bare[0] * 0, bare[1])[0].max() == pytest.approx(-np.log(FLOOR))


def test_normalised_counts_are_no_photons():
    flats = np.ones((3, 1, COLUMNS))
    p, repairs = prepare(np.exp(-3 * DISC), flats, 0 * flats)
    np.testing.assert_allclose(p, 3 * DISC, atol=1e-12)
    assert repairs.clamped == 0


def test_an_opaque_rod_on_the_axis_is_no_dead_pixel():
    rod = np.where(np.abs(U) < 1, 60.0, DISC)
    counts, flats, darks = scan(p=rod)
    counts[:, 0, np.abs(U) < 1] = 100  # not a photon in any view
    p, repairs = prepare(counts, flats, darks)
    assert repairs.dead == 0 and p[:, 0, 29:31].min() > 8
    counts[:, 0, 12] = 777  # stuck in the light
    assert prepare(counts, flats, darks)[1].dead == 1


@pytest.mark.parametrize("top", [4095, 16383, 65535])
def test_saturated_values_are_told(top):
    counts, flats, darks = scan(3000)
    assert "saturated" not in " ".join(prepare(counts, flats, darks)[1].sentences())
    flats[:, 0, 10:12], counts[:, 0, 2:4] = top, top
    _, repairs = prepare(counts, flats, darks)
    assert (repairs.saturated, repairs.saturated_flats) == (2 * VIEWS, 40)
    assert "saturated" in " ".join(repairs.sentences())


def test_a_beam_that_changes_is_divided_out():
    dose = np.linspace(0.5, 1.5, VIEWS)
    rng = np.random.default_rng(0)
    counts = (1e6 * dose[:, None, None] * np.exp(-DISC) + 100).astype(np.float64)
    flat_dose = rng.uniform(0.5, 2, 6)
    flats = 1e6 * flat_dose[:, None, None] * np.ones((1, 1, COLUMNS)) + 100
    darks = np.full((3, 1, COLUMNS), 100.0)
    settings = {"beam": (7 * dose, 7 * flat_dose)}
    p, repairs = prepare(counts, flats, darks, **settings)
    np.testing.assert_allclose(p, DISC, atol=1e-9)
    assert repairs.sentences() == []
    y, blank, dark, _ = prepare_counts(counts, flats, darks, **settings)
    np.testing.assert_allclose(np.log(blank / (y - dark)), DISC, atol=1e-9)
    with pytest.raises(ArgumentError, match="beam"):
        prepare(counts, flats, darks, beam=(dose[:3], flat_dose))


def test_columns_of_air_stand_for_flats():
    dose = np.linspace(0.5, 1.5, VIEWS)[:, None, None]
    counts, darks = 1e4 * dose * np.exp(-DISC) + 100, np.full((3, 1, COLUMNS), 100.0)
    p, repairs = prepare(counts, None, darks, air=slice(0, 8))
    np.testing.assert_allclose(p, DISC, atol=1e-9)
    assert repairs.zero_flat == repairs.hot == repairs.dead == 0
    y, blank, dark, _ = prepare_counts(counts, None, darks, air=slice(0, 8))
    np.testing.assert_allclose(np.log(blank / (y - dark)), DISC, atol=1e-9)
    flats = np.full((3, 1, COLUMNS), 10_100.0)  # with flats: each view on top of them
    np.testing.assert_allclose(prepare(counts, flats, darks, air=slice(0, 8))[0], DISC, atol=1e-9)
    for bad in (slice(70, 80), slice(5, 5)):
        with pytest.raises(ArgumentError, match="air"):
            prepare(counts, None, darks, air=bad)
    with pytest.raises(DataError, match="--air"):
        prepare(counts, None, darks)


@pytest.mark.parametrize("value", [0.0, 65_000.0, np.nan])
@pytest.mark.parametrize("transmission", [False, True])
def test_a_bad_column_of_air_is_left_out(value, transmission):
    counts = 1e4 * np.exp(-DISC) + (0 if transmission else 100)
    counts[:, :, 2] = value
    darks = None if transmission else np.full((3, 1, COLUMNS), 100.0)
    p, _ = prepare(counts, None, darks, air=slice(0, 8), transmission=transmission)
    np.testing.assert_allclose(p[:, :, 8:-8], DISC[:, :, 8:-8], atol=1e-9)


def test_views_without_light_are_told():
    counts = 1e4 * np.exp(-DISC)
    flats = np.full((3, 1, COLUMNS), 1e4)
    counts[3:6] = 0
    _, repairs = prepare(counts, flats, 0 * flats)
    assert repairs.unlit == 3 and "--exclude-views" in " ".join(repairs.sentences())
    assert prepare(1e4 * np.exp(-DISC), flats, 0 * flats)[1].unlit == 0


def test_transmissions_are_taken_as_they_are():
    t = np.exp(-DISC)
    p, repairs = prepare(t, transmission=True)
    np.testing.assert_allclose(p, DISC, atol=1e-12)
    assert repairs.sentences() == []
    q, _ = prepare(3 * t, transmission=True, air=slice(0, 8))
    np.testing.assert_allclose(q, DISC, atol=1e-12)
    r, _ = prepare(DISC + 0.3, line_integrals=True, air=slice(0, 8))
    np.testing.assert_allclose(r, DISC, atol=1e-12)
    with pytest.raises(ArgumentError, match="both"):
        prepare(t, transmission=True, line_integrals=True)


def test_an_object_that_gives_light_raises_the_alarm():
    assert prepare(-DISC, line_integrals=True)[1].negative == 1
    counts, flats, darks = scan()
    _, repairs = prepare(flats[np.arange(VIEWS) % 20], counts, darks)  # exchanged
    assert repairs.negative == 1 and "mostly negative" in repairs.sentences()[-1]
    assert prepare(counts, flats, darks)[1].negative == 0
    air = [scan(p=0 * DISC, seed=s)[0] for s in (0, 1)]
    assert prepare(air[0], air[1], darks)[1].negative == 0
