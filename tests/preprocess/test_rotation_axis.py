"""The rotation axis: closed-form ellipses with noise, odd scans, the measured tooth."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from physrecon.errors import ArgumentError, DataError
from physrecon.preprocess.axis_estimators import by_opposites, many_opposites
from physrecon.preprocess.find_center import find_center
from physrecon.preprocess.rotation_axis import average_views


def sinogram(angles, columns, center, counts=None, fill=0.9, offset=0.0, seed=0):
    """Closed-form projections of random ellipses within `fill` of what fits on the detector."""
    rng = np.random.default_rng(seed)
    radius = fill * min(center, columns - 1 - center)
    r, t = rng.uniform(0, 0.55, 6) * radius, rng.uniform(0, 2 * np.pi, 6)
    small = np.stack([r * np.cos(t), r * np.sin(t), *(rng.uniform(0.05, 0.2, (2, 6)) * radius)], 1)
    shapes = np.vstack([[0.1 * radius, -0.05 * radius, 0.8 * radius, 0.6 * radius], small])
    densities = np.append(0.75, rng.uniform(-0.4, 1.2, 6)) / radius
    u = (np.arange(4 * columns) + 0.5) / 4 - 0.5 - center  # 4 rays a pixel
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    total = np.zeros((len(angles), 4 * columns))
    for (x, y, a, b), density in zip(shapes, densities, strict=True):
        reach = (a * cos) ** 2 + (b * sin) ** 2
        chord = np.sqrt(np.maximum(reach - (u - x * cos - y * sin) ** 2, 0)) / reach
        total += density * 2 * a * b * chord
    total = total.reshape(len(angles), columns, 4).mean(axis=2)
    if counts:
        total = -np.log(np.maximum(rng.poisson(counts * np.exp(-total)), 0.5) / counts)
    return total + offset


def degrees(*arguments):
    return np.deg2rad(np.arange(*arguments))


GOLDEN = np.mod(np.arange(200) * np.pi * (3 - np.sqrt(5)), 2 * np.pi)
SCANS = {
    "half turn": degrees(0, 180, 1),
    "both ends": degrees(0, 181, 1),
    "full turn": degrees(0, 360, 2),
    "full turn, both ends": degrees(-180, 182, 2),
    "backwards": degrees(300, 120, -1),
    "two turns": degrees(0, 720, 2.5),
    "many views": degrees(0, 180, 0.25),
    "60 views": degrees(0, 180, 3),
    "golden angle": GOLDEN,
    "shuffled": np.random.default_rng(1).permutation(degrees(0, 180, 1)),
}


@pytest.mark.parametrize("off", [0.0, -0.15, 0.1503])
@pytest.mark.parametrize("scan", SCANS)
def test_all_methods_find_the_axis_within_a_tenth_of_a_column(scan, off):
    columns = 96
    center = (columns - 1) / 2 + off * columns
    p = sinogram(SCANS[scan], columns, center, counts=1e4)
    found = find_center(p, SCANS[scan])
    assert found.column == pytest.approx(center, abs=0.1)
    assert set(found.methods) >= {"opposite views", "consistency", "mass"}
    for column in found.methods.values():
        assert column == pytest.approx(center, abs=0.3)
    assert found.uncertainty < 0.4 and found.dropped == () and found.notes == []


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_detector(seed):
    p = sinogram(SCANS["half turn"], 640, 287.4, counts=1e4, seed=seed)
    found = find_center(p, SCANS["half turn"])
    assert found.column == pytest.approx(287.4, abs=0.1) and found.uncertainty < 0.4


def test_clean_views_give_the_axis_to_a_hundredth():
    p = sinogram(SCANS["half turn"], 96, 44.37)
    found = find_center(p, SCANS["half turn"])
    assert found.methods["consistency"] == pytest.approx(44.37, abs=0.01)
    assert found.methods["opposite views"] == pytest.approx(44.37, abs=0.05)


def test_a_constant_background_does_not_pull_the_axis():
    p = sinogram(SCANS["60 views"], 96, 39.0, counts=1e4, offset=0.05)
    assert find_center(p, SCANS["60 views"]).column == pytest.approx(39.0, abs=0.1)


@pytest.mark.parametrize("scan", ["half turn", "full turn"])
def test_an_object_wider_than_the_detector(scan):
    p = sinogram(SCANS[scan], 96, 44.0, counts=1e4, fill=1.5)
    found = find_center(p, SCANS[scan])
    assert found.column == pytest.approx(44.0, abs=0.25)
    assert any("edge of the detector" in note for note in found.notes)


def cut_off(center, fill, seed, columns=96):
    """A full turn about an axis near an edge; the object reaches beyond that edge."""
    reach = int(max(center, columns - 1 - center))
    whole = sinogram(SCANS["full turn"], 2 * reach + 1, reach, fill=fill, seed=seed)
    u = np.arange(columns) - center + reach
    return np.stack([np.interp(u, np.arange(2 * reach + 1), view) for view in whole])


@pytest.mark.parametrize("center", [12.0, 20.3, 30.0, 64.6, 79.0])
@pytest.mark.parametrize("fill", [0.9, 1.3])
def test_half_acquisition(center, fill):
    """A full turn with the object cut off at one edge, or at both: any column is searched."""
    p, angles = cut_off(center, fill, seed=5), SCANS["full turn"]
    found = find_center(p + np.random.default_rng(0).normal(0, 0.02, p.shape), angles)
    assert found.column == pytest.approx(center, abs=0.25)
    assert abs(found.column - center) <= found.uncertainty
    assert any("half acquisition" in note for note in found.notes) == (not 23 < center < 72)


@pytest.mark.parametrize("center", [20.3, 79.0])
def test_strong_noise_does_not_pull_the_axis_to_a_narrow_overlap(center):
    """A narrow overlap holds less noise: its sum of squares is smaller, its mean square is not."""
    off = []
    for seed in range(6):
        p = cut_off(center, 0.9, seed)
        p += np.random.default_rng(seed).normal(0, 0.5, p.shape)
        off.append(by_opposites(p, *many_opposites(SCANS["full turn"]))[0] - center)
    assert abs(np.mean(off)) < 0.4


@pytest.mark.parametrize(("span", "within"), [(150, 0.05), (120, 0.1), (90, 0.2)])
def test_less_than_a_half_turn_is_said(span, within):
    angles = degrees(0, span, 1)
    found = find_center(sinogram(angles, 96, 44.0, counts=1e4), angles)
    assert found.column == pytest.approx(44.0, abs=within)
    assert "opposite views" not in found.methods
    assert abs(found.column - 44) <= found.uncertainty
    assert f"{span}°" in found.notes[0] and "opposite" in found.notes[0]


@pytest.mark.parametrize("scan", ["many views", "two turns", "golden angle", "shuffled"])
def test_averaged_views_are_few_and_know_the_axis(scan):
    angles = np.concatenate([SCANS[scan] + 0.001 * k for k in range(5)])
    p = sinogram(angles, 96, 44.0, counts=1e4)[:, None].astype(np.float32)
    views, turned = average_views(p, angles)
    assert len(views) == len(turned) <= 361 and views.dtype == np.float32
    np.testing.assert_allclose(views[:, 0], sinogram(turned, 96, 44.0), atol=0.1)
    again, same = average_views(views, turned)
    assert np.array_equal(again, views) and np.array_equal(same, turned)
    assert find_center(views, turned).column == find_center(p, angles).column


def test_disagreement_is_in_the_uncertainty():
    # the sample slips at the end of the scan: the last views see it 6 columns further
    p = sinogram(SCANS["half turn"], 96, 44.0, counts=1e4)
    p[175:] = np.roll(p[175:], 6, axis=1)
    found = find_center(p, SCANS["half turn"])
    assert abs(found.column - 44.0) <= found.uncertainty
    assert found.uncertainty > 0.5 or found.dropped


def test_rows_of_air_have_no_say():
    angles = SCANS["half turn"]
    air = np.random.default_rng(3).normal(0, 0.01, (len(angles), 96))
    rows = [air] * 9 + [sinogram(angles, 96, 41.3, counts=1e4, seed=s) for s in range(3)]
    found = find_center(np.stack(rows, axis=1).astype(np.float32), angles)
    assert found.column == pytest.approx(41.3, abs=0.1) and found.uncertainty < 0.4


def test_one_spoilt_row_is_outvoted():
    angles = SCANS["half turn"]
    rows = [sinogram(angles, 96, c, counts=1e4, seed=1) for c in (41, 41, 55, 41, 41)]
    assert find_center(np.stack(rows, axis=1), angles).column == pytest.approx(41, abs=0.1)


def test_a_full_turn_is_searched_from_edge_to_edge():
    angles = SCANS["full turn"]
    found = find_center(sinogram(angles, 96, 12.0), angles)
    assert found.column == pytest.approx(12.0, abs=0.05)
    assert abs(found.column - 12.0) <= found.uncertainty


def test_an_answer_where_nothing_was_searched_is_no_finding():
    # the centre of mass cannot come back by so short a turn: it may end anywhere
    angles = SCANS["half turn"] * np.pi / 180
    with pytest.raises(DataError, match=r"middle half .*columns 22 to 72.*--center"):
        find_center(sinogram(SCANS["half turn"], 96, 44.0, counts=1e4), angles)


@pytest.mark.parametrize("turns", [0, 0.5])
def test_views_of_one_direction_have_no_axis(turns):
    angles = 0.3 + 2 * np.pi * turns * (np.arange(60) % 2)
    with pytest.raises(DataError, match="one direction"):
        find_center(sinogram(angles, 40, 20.0, counts=1e4), angles)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("scan", ["60 views", "full turn"])
def test_the_axis_of_noise_is_not_guessed(scan, seed):
    noise = np.abs(np.random.default_rng(seed).normal(size=(len(SCANS[scan]), 40)))
    with pytest.raises(DataError, match="noise; give the column"):
        find_center(noise, SCANS[scan])


def test_wrong_input_is_refused():
    p = sinogram(SCANS["60 views"], 40, 20.0)
    with pytest.raises(ArgumentError, match="as many angles"):
        find_center(p, np.zeros(7))
    with pytest.raises(ArgumentError, match="at least 4 views"):
        find_center(p[:3], np.zeros(3))
    with pytest.raises(DataError, match="constant"):
        find_center(np.ones_like(p), SCANS["60 views"])
    p[4, 7] = np.nan
    with pytest.raises(DataError, match="NaN"):
        find_center(p, SCANS["60 views"])


@pytest.mark.parametrize("rows", [slice(0, 1), slice(1, 2), slice(0, 2)])
def test_the_tooth(shared_data, rows):
    with h5py.File(shared_data / "aps_tooth/tooth.h5") as f:
        counts, flats, darks = (f[f"exchange/data{k}"][:, rows] for k in ("", "_white", "_dark"))
        angles = np.deg2rad(f["exchange/theta"][:])
    dark = darks.mean(axis=0)
    found = find_center(-np.log((counts - dark) / (flats.mean(axis=0) - dark)), angles)
    assert found.column == pytest.approx(296.0, abs=0.5)
    assert 295.5 < found.column < 296.1 and 0.1 <= found.uncertainty < 0.5 and found.notes == []
