"""The axis by the slice, its ±, and the scans that lead a method astray: discs in closed form."""

from __future__ import annotations

import sys
from importlib import util
from pathlib import Path

import numba
import numpy as np
import pytest

import physrecon as pr
from physrecon.preprocess.axis_estimators import by_opposites, many_opposites
from physrecon.preprocess.axis_sweep import Slices, slices_about

HALF, FULL = np.deg2rad(np.arange(0, 180, 2.5)), np.deg2rad(np.arange(0, 360, 3.0))
COLUMNS, AXIS = 64, 29.3
DISCS = ((-9.0, 5.0, 8.0, 1.0), (8.0, -7.0, 6.0, 0.7), (3.0, 12.0, 4.0, 1.3))


def views(angles, axis=AXIS, discs=DISCS, columns=COLUMNS):
    """Line integrals of discs (x, y, radius, value), means of 4 rays a column."""
    u = (np.arange(4 * columns) + 0.5) / 4 - 0.5 - axis
    total = np.zeros((len(angles), 4 * columns))
    for x, y, r, value in discs:
        away = u - (x * np.cos(angles) + y * np.sin(angles))[:, None]
        total += 2 * value * np.sqrt(np.maximum(r * r - away**2, 0))
    return total.reshape(len(angles), columns, 4).mean(axis=2)


def noisy(p, noise, seed=0):
    return p + noise * p.max() * np.random.default_rng(seed).standard_normal(p.shape)


@pytest.fixture(scope="module")
def cases():
    """`benchmarks/axis.py`."""
    path = Path(__file__).parents[2] / "benchmarks/axis.py"
    spec = util.spec_from_file_location("benchmarks_axis", path)
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("cut_off", [False, True])
@pytest.mark.parametrize("angles", [HALF, FULL])
def test_the_slice_about_a_column_lies_about_it(angles, cut_off):
    """The axis is the middle of the slice, by whatever part of a column a candidate is off."""
    columns = np.array([AXIS - 0.5, AXIS, AXIS + 0.25])
    x, seen = slices_about(views(angles), angles, columns, cut_off)
    assert x.shape[0] == 3 and seen.shape == x.shape[1:]
    middle = x.shape[1] // 2
    for at_x, at_y, _, value in DISCS:
        j, i = round(middle + at_y), round(middle + at_x)
        assert x[1, j - 1 : j + 2, i - 1 : i + 2].mean() == pytest.approx(value, rel=0.1)


@pytest.mark.parametrize("angles", [HALF, FULL])
def test_the_score_is_best_at_the_axis(angles):
    best, error = Slices([noisy(views(angles), 0.01)], angles, False).fine(AXIS + 0.7)
    assert best == pytest.approx(AXIS, abs=0.15) and error < 0.2


@pytest.mark.parametrize("angles", [HALF, FULL])
def test_the_slice_refutes_a_wrong_candidate(angles):
    slices = Slices([noisy(views(angles), 0.02)], angles, False)
    assert slices.refuted({"right": AXIS + 0.3, "near": AXIS - 0.4, "wrong": AXIS + 3}) == ["wrong"]
    assert slices.refuted({"right": AXIS, "wrong": AXIS + 3}, "wrong") == []


@pytest.mark.parametrize("axis", [7.3, 11.8, 40.1, 55.0])
def test_opposite_views_find_the_axis_of_half_acquisition(axis):
    """Few columns are shared: the largest correlation lies up to two columns beside."""
    angles = np.deg2rad(np.arange(0, 360, 2.0))
    discs = [(x * 2, y * 2, r * 2, v) for x, y, r, v in DISCS]
    p = noisy(views(angles, axis, discs), 0.02)
    column, error = by_opposites(p, *many_opposites(angles))
    assert column == pytest.approx(axis, abs=0.1) and error < 0.15
    found = pr.find_center(p, angles)
    assert abs(found.column - axis) <= min(found.uncertainty, 0.25)


def test_opposites_are_interpolated_between_uneven_angles():
    rng = np.random.default_rng(0)
    angles = np.deg2rad(np.arange(0, 360, 2.0) + rng.uniform(-0.5, 0.5, 180))
    column, _ = by_opposites(views(angles), *many_opposites(angles))
    assert column == pytest.approx(AXIS, abs=0.05)
    assert many_opposites(HALF) is None


@pytest.mark.parametrize(
    "kind",
    ["half acquisition", "truncated", "golden angle", "beam drift", "object drift", "few views"],
)
def test_the_truth_lies_within_the_uncertainty(cases, kind):
    made = cases.case(kind, 3)
    found = pr.find_center(made.y, made.angles)
    assert abs(found.column - made.axis) <= min(found.uncertainty, 0.25)


def test_a_slow_drift_widens_the_uncertainty_of_a_full_turn():
    drift = 1.6 * (np.arange(len(FULL)) / len(FULL) - 0.5) * np.cos(FULL)
    moved = np.stack([views(FULL[[k]], AXIS + drift[k])[0] for k in range(len(FULL))])
    still, found = pr.find_center(views(FULL), FULL), pr.find_center(moved, FULL)
    assert found.uncertainty > 2 * still.uncertainty
    assert abs(found.column - AXIS) <= found.uncertainty


def test_one_row_and_many_threads_tell_the_same():
    p = noisy(views(HALF), 0.02).astype(np.float32)
    threads, found = numba.get_num_threads(), []
    try:
        for count in {1, numba.config.NUMBA_NUM_THREADS}:
            numba.set_num_threads(count)
            found.append(pr.find_center(p, HALF))
    finally:
        numba.set_num_threads(threads)
    assert all(center == found[0] for center in found)
    assert pr.find_center(p[:, None].repeat(3, axis=1), HALF).column == pytest.approx(
        found[0].column, abs=0.05
    )
