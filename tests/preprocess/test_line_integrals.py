"""Counts to line integrals: hand-computed cases, defects one by one, rings, slabs."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from physrecon.errors import ArgumentError, DataError
from physrecon.preprocess.defects import Repairs, bad_pixels, fill
from physrecon.preprocess.flat_fields import mean_fields, transmission
from physrecon.preprocess.line_integrals import FLOOR, minus_log, prepare
from physrecon.preprocess.rings import remove_rings


def scan(views=12, rows=3, columns=24, counts=10_000.0, seed=0, dtype=np.uint16):
    """Noisy counts of a smooth object, flats and darks: (counts, flats, darks, transmission)."""
    rng = np.random.default_rng(seed)
    u = np.linspace(-1.2, 1.2, columns)
    turn = np.linspace(0, np.pi, views, endpoint=False)[:, None, None]
    chord = np.sqrt(np.maximum(1 - (u - 0.15 * np.cos(turn)) ** 2, 0)) * np.ones((1, rows, 1))
    t = np.exp(-chord)
    gain = counts * (1 + 0.1 * rng.uniform(-1, 1, (rows, columns)))
    dark = 100 + rng.integers(0, 5, (rows, columns))
    return (
        (rng.poisson(gain * t) + dark).astype(dtype),
        (rng.poisson(gain, (20, rows, columns)) + dark).astype(dtype),
        np.repeat(dark[None], 4, axis=0).astype(dtype),
        t,
    )


def transmit(counts, *fields):
    return transmission(counts, mean_fields(counts, *fields))


# --- flat and dark -------------------------------------------------------------------------------


def test_transmission_by_hand_does_not_wrap_unsigned_counts():
    counts = np.array([[[60, 5], [30, 210]]], dtype=np.uint16)  # 5 lies below its dark
    flats = np.array([[[100, 110], [60, 400]], [[120, 110], [60, 420]]], dtype=np.uint16)
    darks = np.array([[[10, 10], [0, 10]], [[10, 10], [0, 10]]], dtype=np.uint16)
    expected = np.array([[[50 / 100, -5 / 100], [30 / 60, 200 / 400]]], dtype=np.float32)
    np.testing.assert_array_equal(transmit(counts, flats, darks), expected)


def test_transmission_of_a_full_16_bit_detector():
    counts = np.full((1, 1, 2), 65535, dtype=np.uint16)
    flats = np.full((1000, 1, 2), 65535, dtype=np.uint16)  # their sum leaves any small integer
    darks = np.full((3, 1, 2), 535, dtype=np.uint16)
    np.testing.assert_array_equal(transmit(counts, flats, darks), 1)


def test_flats_at_both_ends_are_interpolated_or_averaged():
    counts = np.full((4, 1, 2), 60, dtype=np.uint16)
    flats = np.array([[[90, 90]], [[110, 110]], [[200, 200]]], dtype=np.uint16)
    positions = [0, 0, 1]  # 100 before, 200 after
    middle = np.array([1 / 8, 3 / 8, 5 / 8, 7 / 8])
    expected = 60 / (100 + 100 * middle)
    got = transmit(counts, flats, None, positions)
    np.testing.assert_allclose(got[:, 0, 0], expected, rtol=1e-6)
    for options in ((positions, "average"), ()):
        got = transmit(counts, flats, None, *options)
        np.testing.assert_allclose(got, 60 / (400 / 3), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint32, np.float32])
def test_every_count_type_becomes_float32(dtype):
    counts = np.full((1, 1, 12), 50, dtype=dtype)
    flats = np.full((2, 1, 12), 100, dtype=dtype)
    p, _ = prepare(counts, flats, flats * dtype(0))
    assert p.dtype == np.float32
    np.testing.assert_allclose(p, np.log(2), rtol=1e-6)


def test_float64_is_kept_to_its_precision():
    counts, flats, darks, _ = scan(dtype=np.float64)
    p, _ = prepare(counts, flats, darks)
    assert p.dtype == np.float64
    dark = darks.mean(axis=0)
    np.testing.assert_allclose(
        p, -np.log((counts - dark) / (flats.mean(axis=0) - dark)), rtol=1e-12, atol=1e-13
    )


def test_overwrite_uses_the_memory_of_the_counts_and_otherwise_leaves_them():
    counts, flats, darks, _ = scan(dtype=np.float32)
    before = counts.copy()
    p, _ = prepare(counts, flats, darks)
    np.testing.assert_array_equal(counts, before)
    q, _ = prepare(counts, flats, darks, overwrite=True)
    assert q is counts
    np.testing.assert_array_equal(p, q)


# --- the clamp -----------------------------------------------------------------------------------


def test_the_clamp_is_where_it_says_and_counted():
    t = np.array([[[1.0, 0.5, 2e-5, 1e-6, 0.0, -0.1]]], dtype=np.float32)
    assert minus_log(t) == 3
    np.testing.assert_allclose(t[0, 0, :3], [0, np.log(2), -np.log(2e-5)], rtol=1e-6)
    np.testing.assert_allclose(t[0, 0, 3:], -np.log(FLOOR), rtol=1e-6)


def test_one_count_of_a_16_bit_detector_is_not_clamped():
    counts = np.full((1, 1, 12), 1, dtype=np.uint16)
    p, repairs = prepare(counts, np.full((1, 1, 12), 65535, dtype=np.uint16))
    assert repairs.clamped == 0
    np.testing.assert_allclose(p, np.log(65535), rtol=1e-6)


# --- defects -------------------------------------------------------------------------------------


def test_a_good_scan_has_nothing_to_repair():
    counts, flats, darks, t = scan()
    p, repairs = prepare(counts, flats, darks)
    assert repairs.sentences() == []
    assert np.abs(p + np.log(t)).max() < 0.1


@pytest.mark.parametrize("column", [0, 9, 10, 23])
@pytest.mark.parametrize("kind", ["zero_flat", "dead", "stuck", "nan", "hot"])
def test_each_kind_of_bad_pixel_is_found_filled_and_counted(kind, column):
    counts, flats, darks, t = scan(dtype=np.float32)
    at = (slice(None), 1, column)
    if kind == "zero_flat":
        counts[at], flats[at], darks[at] = 0, 0, 0
    elif kind == "dead":  # answers ten times too weakly
        counts[at], flats[at] = darks[at][0] + counts[at] / 10, darks[at][0] + 1000
    elif kind == "stuck":
        counts[at] = 777
    elif kind == "nan":
        counts[at] = np.nan
    else:
        darks[at] += 8000
        counts[at], flats[at] = counts[at] + 8000, flats[at] + 8000
    p, repairs = prepare(counts, flats, darks)
    name = kind if kind in ("zero_flat", "hot") else "dead"
    assert getattr(repairs, name) == 1
    assert repairs.zero_flat + repairs.dead + repairs.hot == 1
    assert "1 of 72 detector pixels" in repairs.sentences()[0]
    assert np.abs(p + np.log(t)).max() < 0.4  # the chord's steep end; a bad pixel is off by > 1


def test_air_that_does_not_vary_is_not_dead():
    counts, flats, darks, t = scan(columns=40)
    flats[:] = flats[:1]
    dark = darks.mean(axis=0)
    counts = dark + (flats[0] - dark) * t  # noise-free: the columns of air stand still
    assert not bad_pixels(counts, mean_fields(counts, flats, darks))["dead"].any()


def test_a_beam_that_lights_part_of_the_detector_keeps_its_lit_pixels():
    counts, flats, darks, _ = scan(columns=60)
    flats[:, :, :10] = darks[:1, :, :10] + 1
    kinds = bad_pixels(counts, mean_fields(counts, flats, darks))
    assert not np.logical_or.reduce(list(kinds.values()))[:, 10:].any()


def test_filling_is_linear_between_and_constant_beyond_good_columns():
    values = np.array([[[9, 2, 9, 9, 8, 9, 5, 5, 5]], [[9, 1, 9, 9, np.nan, 9, 5, 5, 5]]])
    bad = np.array([[True, False, True, True, False, True, False, False, False]])
    assert fill(values, bad) == (1, 0)
    np.testing.assert_allclose(values[0, 0], [2, 2, 4, 6, 8, 6.5, 5, 5, 5])
    np.testing.assert_allclose(values[1, 0], [1, 1, 1.8, 2.6, 3.4, 4.2, 5, 5, 5])


def test_a_lost_view_lies_between_its_neighbours():
    counts, flats, darks, _ = scan(dtype=np.float32)
    counts[4, 1] = np.nan
    p, repairs = prepare(counts, flats, darks)
    assert (repairs.lost_views, repairs.nonfinite) == (1, 24)
    np.testing.assert_allclose(p[4, 1], (p[3, 1] + p[5, 1]) / 2, atol=0.02)


def test_single_infinities_are_filled_along_the_row():
    counts, flats, darks, t = scan(dtype=np.float32)
    counts[3, 2, 7] = np.inf
    p, repairs = prepare(counts, flats, darks)
    assert repairs.nonfinite == 1 and np.abs(p + np.log(t)).max() < 0.1


def test_line_integrals_pass_unchanged_but_for_nan():
    values = np.random.default_rng(0).normal(size=(5, 2, 9)).astype(np.float32)
    values[2, 1, 4] = np.nan
    p, repairs = prepare(values, line_integrals=True)
    assert p is not values and repairs.nonfinite == 1 and repairs.clamped == 0
    assert p[2, 1, 4] == (values[2, 1, 3] + values[2, 1, 5]) / 2
    p[2, 1, 4] = values[2, 1, 4]
    np.testing.assert_array_equal(p, values)


def test_repairs_of_slabs_add_up():
    a = Repairs(10, 100, 1, 2, 3, 4, 5, 6, 1e-5, False)
    total = a + Repairs(20, 200, clamped=1, no_darks=True)
    assert (total.pixels, total.zero_flat, total.clamped) == (30, 1, 7)
    assert total.floor == 1e-5 and total.no_darks
    assert len(total.sentences()) == 5 and "11.5" in total.sentences()[-1]


# --- bad frames among the flats ---


SPOILT = {
    "shutter closed before": (range(6), 110),
    "shutter closed after": (range(14, 20), 110),
    "as many closed as open": (range(10), 100),
    "most closed": (range(12), 103),
    "one empty": ([7], 0),
    "one saturated": ([11], 65535),
}


@pytest.mark.parametrize("case", SPOILT)
@pytest.mark.parametrize("positions", [None, np.repeat([0, 0.4, 1], [6, 8, 6])])
def test_flats_without_the_beam_are_left_out_and_counted(case, positions):
    frames, level = SPOILT[case]
    counts, flats, darks, t = scan()
    flats[list(frames)] = level
    p, repairs = prepare(counts, flats, darks, flat_positions=positions)
    assert np.abs(p + np.log(t)).max() < 0.1
    assert (repairs.flat_rows_off, repairs.flat_rows) == (3 * len(frames), 60)
    assert repairs.zero_flat == repairs.dead == repairs.hot == 0
    assert [s[: s.index(" rows")] for s in repairs.sentences()] == [f"{3 * len(frames)} of 60"]


def test_flats_that_drift_or_light_a_part_of_a_row_are_kept():
    counts, flats, darks, _ = scan(columns=60)
    flats = flats * np.linspace(0.7, 1.3, 20)[:, None, None]
    flats[:, :, :50] = darks[0, :, :50]  # a sixth of the row is lit, by a drifting beam
    fields = mean_fields(counts, flats, darks, np.linspace(0, 1, 20))
    assert fields.repairs.flat_rows_off == 0 and len(fields.gains) > 3


def test_a_position_without_a_flat_lies_between_those_around_it():
    flats = np.array([200, 7, 300, 500])[:, None, None] * np.ones((4, 2, 30))
    flats[3, 1] = np.nan  # row 0 lacks the second flat, row 1 the last one too
    fields = mean_fields(np.full((10, 2, 30), 60.0), flats, None, [0, 0.2, 0.5, 1])
    np.testing.assert_allclose(fields.gains[:, 0, 4], [200, 240, 300, 500])
    np.testing.assert_allclose(fields.gains[:, 1, 4], [200, 240, 300, 300])


def test_a_pixel_dark_in_one_group_of_flats_is_filled():
    counts, flats, darks, t = scan()
    flats[10:, 1, 9] = darks[0, 1, 9]
    p, repairs = prepare(counts, flats, darks, flat_positions=np.repeat([0, 1], 10))
    assert repairs.zero_flat == 1 and np.abs(p + np.log(t)).max() < 0.1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_one_flat_or_dark_costs_that_value_alone(value):
    counts, flats, darks, _ = scan(dtype=np.float64)
    flats[3, 1, 9], darks[2, 0, 5] = value, value
    p, repairs = prepare(counts, flats, darks)
    assert (repairs.field_values, repairs.zero_flat, repairs.dead) == (2, 0, 0)
    assert len(repairs.sentences()) == 1 and "2 values of flats and darks" in repairs.sentences()[0]
    gain = np.delete(flats[:, 1, 9], 3).mean() - darks[:, 1, 9].mean()
    np.testing.assert_allclose(p[:, 1, 9], -np.log((counts[:, 1, 9] - darks[0, 1, 9]) / gain))


# --- refusals ------------------------------------------------------------------------------------


def broken(what):
    counts, flats, darks, _ = scan(dtype=np.float32)
    if what == "no flats":
        flats = flats[:0]
    elif what == "flats zero":
        flats[:] = 0
    elif what == "all nan":
        counts[:] = np.nan
    elif what == "most pixels bad":
        flats[:, 2, :13] = 0
    elif what == "most values nan":
        counts[:, 0, ::2], counts[:7, 0, 1::2] = np.nan, np.nan
    return counts, flats, darks


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("no flats", "--line-integrals"),
        ("flats zero", "exchanged with the darks"),
        ("all nan", "no usable value"),
        ("most pixels bad", "row 2"),
        ("most values nan", "row 0"),
    ],
)
def test_what_cannot_be_mended_is_refused_with_advice(what, words):
    counts, flats, darks = broken(what)
    with pytest.raises(DataError, match=words):
        prepare(counts, flats, darks)


@pytest.mark.parametrize(
    "options",
    [
        {"rings": "magic"},
        {"floor": 0.0},
        {"flats_mode": "median"},
        {"flat_positions": [0.5]},
        {"flats": np.ones((2, 3, 5))},
    ],
)
def test_wrong_arguments_are_named(options):
    counts, flats, darks, _ = scan()
    with pytest.raises(ArgumentError, match=str(next(iter(options)))):
        prepare(**{"counts": counts, "flats": flats, "darks": darks} | options)


# --- slabs and rings -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint16, np.float64])
def test_the_result_does_not_depend_on_the_slabs(dtype):
    counts, flats, darks, _ = scan(rows=7, columns=37, dtype=dtype)
    flats[:, 3, 5] = 0
    flats[10:, 2] = 90  # one row of the flats at the end saw no beam
    if dtype == np.float64:
        counts[2, 4, 8] = np.nan
    options = {"flat_positions": np.repeat([0, 1], 10), "rings": "sort"}
    whole, repairs = prepare(counts, flats, darks, **options)
    for size in (1, 2, 3):
        total = Repairs()
        for r in range(0, 7, size):
            rows = slice(r, r + size)
            part, found = prepare(counts[:, rows], flats[:, rows], darks[:, rows], **options)
            total += found
            assert part.tobytes() == whole[:, rows].tobytes()
        assert total == repairs


def ellipse_sinogram(angles, columns):
    """Closed form: two ellipses (x, y, a, b, density), the second off the axis."""
    u = np.arange(columns) - (columns - 1) / 2
    total = np.zeros((len(angles), columns))
    for x, y, a, b, density in ((3, -2, 0.4, 0.3, 1.0), (20, 10, 0.1, 0.08, 1.5)):
        a, b = a * columns, b * columns
        s = u - (x * np.cos(angles) + y * np.sin(angles))[:, None]
        reach = ((a * np.cos(angles)) ** 2 + (b * np.sin(angles)) ** 2)[:, None]
        total += density / columns * 2 * a * b * np.sqrt(np.maximum(reach - s**2, 0)) / reach
    return total


def test_rings_shrink_fivefold_and_clean_sinograms_hardly_change():
    clean = ellipse_sinogram(np.linspace(0, np.pi, 181), 200)[:, None]
    stripes = np.zeros(200)
    stripes[::20] = 0.1 * np.random.default_rng(0).choice([-1, 1], 10)
    mended = clean + stripes
    remove_rings(mended)
    left = (mended - clean)[:, 0].mean(axis=0)
    assert np.linalg.norm(left) < np.linalg.norm(stripes) / 5
    same = clean.copy()
    remove_rings(same)
    assert np.linalg.norm(same - clean) < 0.005 * np.linalg.norm(clean)


# --- measured ------------------------------------------------------------------------------------


def test_tooth_background_is_near_zero_and_one_dark_has_a_zinger(shared_data: Path):
    with h5py.File(shared_data / "aps_tooth/tooth.h5") as f:
        counts, flats, darks = (f[f"exchange/data{k}"][:] for k in ("", "_white", "_dark"))
    p, repairs = prepare(counts, flats, darks)
    assert repairs.field_outliers == len(repairs.sentences()) == 1
    assert darks[4, 1, 199] == 152.25 and np.median(darks[:, 1, 199]) == 102.375
    background = p[:, :, :60].mean(axis=(0, 2)), p[:, :, -60:].mean(axis=(0, 2))
    assert np.abs(background).max() < 0.007
    assert 1.5 < p.max() < 2.5


def test_k11_transmission_lies_where_it_should(shared_data: Path):
    with h5py.File(shared_data / "dls_k11_nexus/k11-18014.nxs") as f:
        frames, key = f["/entry/imaging/data"][:], f["/entry/instrument/imaging/image_key"][:]
    positions = np.cumsum(key == 0)[key == 1] / (key == 0).sum()
    counts, flats, darks = (frames[key == k] for k in (0, 1, 2))
    for mode in ("average", "interpolate"):
        t = transmit(counts, flats, darks, positions, mode)
        assert t.min() >= 0.36 and t.max() <= 1.31
        assert t.mean() == pytest.approx(0.85, abs=0.006)
    _, repairs = prepare(counts, flats, darks, flat_positions=positions)
    assert repairs.sentences() == []
