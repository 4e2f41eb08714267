"""Data Exchange as beamlines write it: orders of axes, shapes, and what acquisition left."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from discs import COLUMNS, line_integrals

from physrecon.errors import DataError
from physrecon.io import open_scan
from physrecon.io.scans.frames import AXES
from physrecon.preprocess.line_integrals import prepare

VIEWS, ROWS = 40, 8
ANGLES = np.arange(VIEWS) * 180 / VIEWS
TRUTH = line_integrals(ANGLES, ROWS)
PATTERN = 10_000 + 8000 * np.random.default_rng(0).random((ROWS, COLUMNS))  # of the pixels
COUNTS = np.rint(PATTERN * np.exp(-TRUTH) + 100).astype(np.uint16)
FLAT = np.rint(PATTERN + 100).astype(np.uint16)
FLATS, DARKS = np.repeat(FLAT[None], ROWS, 0), np.full((ROWS, ROWS, COLUMNS), 100, np.uint16)
DARK_LEVEL = "process/acquisition/dark_fields/dark_field_value"
FLAT_LEVEL = "process/acquisition/flat_fields/flat_field_value"
ROTATION = "process/acquisition/rotation"


def write(path, axes=None, reference_axes=None, units="deg", extra=None, **changes):
    members = {"data": COUNTS, "data_white": FLATS, "data_dark": DARKS, "theta": ANGLES, **changes}
    with h5py.File(path, "w") as file:
        for name, value in members.items():
            if value is not None:
                file[f"exchange/{name}"] = value
        if axes is not None:
            file["exchange/data"].attrs["axes"] = axes
        for name in ("data_white", "data_dark") if reference_axes else ():
            file[f"exchange/{name}"].attrs["axes"] = reference_axes
        if members["theta"] is not None and units:
            file["exchange/theta"].attrs["units"] = units
        for name, value in (extra or {}).items():
            file[name] = value
    return path


def check(path, *words, truth=TRUTH):
    """The line integrals are right; the only notes are those with the words, one each."""
    with open_scan(path) as scan:
        y, _ = prepare(scan.projections[:], scan.flats[:], scan.darks[:])
        np.testing.assert_allclose(y, truth, atol=3e-3)
        np.testing.assert_allclose(scan.geometry.radians, np.deg2rad(ANGLES))
        for key in (np.s_[3, 1:], np.s_[1:30:7, :, 5:20:3], np.s_[..., 7]):
            np.testing.assert_array_equal(scan.projections[key], scan.projections[:][key])
        assert len(scan.notes) == len(words), scan.notes
        assert all(word in note for word, note in zip(words, scan.notes, strict=True)), scan.notes


def moved(stack, order):
    """A stack (θ, y, x) as a file of this order stores it."""
    return np.ascontiguousarray(stack.transpose([AXES.index(a) for a in order.split(":")]))


ORDERS = ["theta:y:x", "y:theta:x", "y:x:theta", "x:y:theta"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("flats", [1, 5, ROWS])
@pytest.mark.parametrize("stated", [False, True])
def test_flats_follow_the_data(tmp_path, order, flats, stated):
    path = write(
        tmp_path / "a.h5",
        order,
        order if stated else None,
        data=moved(COUNTS, order),
        data_white=moved(FLATS[:flats], order),
        data_dark=moved(DARKS[:flats], order),
    )
    guessed = flats == ROWS and not stated and order == "y:theta:x"
    check(path, *(["as the projections", "as the flats"] if guessed else []))


def test_frames_that_are_alike_tell_the_order_of_flats(tmp_path):
    """As many flats as rows, in another order than the data: rows differ, frames do not."""
    drifting = np.rint((FLATS - 100.0) * np.linspace(0.8, 1.2, ROWS)[:, None, None] + 100)
    data = moved(COUNTS, "y:theta:x")
    path = write(tmp_path / "a.h5", "y:theta:x", data=data, data_white=drifting)
    check(path, "data_white: taken as theta:y:x, for its frames are alike")


@pytest.mark.parametrize(
    "axes",
    [
        ["y", "theta", "x"],
        np.array([b"y", b"theta", b"x"]),
        "y, theta, x",
        "[y:theta:x]",
        "y:theta_scan:x",
    ],
)
def test_spellings_of_axes(tmp_path, axes):
    path = write(tmp_path / "a.h5", axes, data=moved(COUNTS, "y:theta:x"), data_white=FLATS[:2])
    with open_scan(path) as scan:
        np.testing.assert_array_equal(scan.projections[:], COUNTS)


@pytest.mark.parametrize("order", ["y:theta:x", "y:x:theta"])
def test_the_number_of_angles_tells_an_order_that_is_not_stated(tmp_path, order):
    parts = {"data": COUNTS, "data_white": FLATS[:3], "data_dark": DARKS[:3]}
    path = write(tmp_path / "a.h5", **{name: moved(a, order) for name, a in parts.items()})
    check(path, f"stored as {order}, by the number of angles")


@pytest.mark.parametrize("theta", [ANGLES[:, None], ANGLES[None], ANGLES.astype("f4")])
@pytest.mark.parametrize("flat", [FLAT, FLAT[None]])
def test_a_single_flat_and_a_column_of_angles(tmp_path, theta, flat):
    check(write(tmp_path / "a.h5", data_white=flat, data_dark=DARKS[0], theta=theta))


def test_a_single_flat_of_a_mirrored_order(tmp_path):
    data = moved(COUNTS, "x:y:theta")
    check(
        write(
            tmp_path / "a.h5",
            "x:y:theta",
            "x:y",
            data=data,
            data_white=FLAT.T,
            data_dark=DARKS[0].T,
        )
    )


def test_constants_stand_for_frames_that_were_not_taken(tmp_path):
    level = {DARK_LEVEL: [100.0]}
    path = write(tmp_path / "a.h5", data_dark=None, extra=level)
    check(path, "the constant dark_field_value = 100 stands for them")
    check(write(tmp_path / "a.h5", extra={DARK_LEVEL: [7.0]}))  # darks that are there are used
    path = write(tmp_path / "a.h5", data_dark=None, extra={DARK_LEVEL: [0.0]})
    with open_scan(path) as scan:
        assert len(scan.darks) == 0 and "darks: none" in scan.notes[0]
    path = write(tmp_path / "a.h5", data_dark=DARKS[:1] * 0, extra=level)  # as tomoscan writes it
    check(path, "the constant dark_field_value = 100 stands for them")
    counts = np.rint(10_000 * np.exp(-TRUTH) + 100).astype(np.uint16)
    level[FLAT_LEVEL] = [10_100.0]
    path = write(tmp_path / "a.h5", data=counts, data_white=None, data_dark=None, extra=level)
    check(path, "flat_field_value = 10100", "dark_field_value = 100")


@pytest.mark.parametrize("prefix", ["", "rotation_"])
def test_start_and_step_of_the_rotation(tmp_path, prefix):
    motion = {
        f"{ROTATION}/{prefix}start": [0.0],
        f"{ROTATION}/{prefix}step": [180 / VIEWS],
        f"{ROTATION}/num_angles": [VIEWS],
    }
    path = write(tmp_path / "a.h5", theta=None, extra=motion)
    check(path, "taken as degrees", "0, 4.5, 9, …")
    motion[f"{ROTATION}/num_angles"] = [VIEWS + 1]
    path = write(tmp_path / "a.h5", theta=None, extra=motion)
    check(path, "taken as degrees", "0, 4.5, 9, …", "num_angles is 41, the file has 40 views")


@pytest.mark.parametrize(
    "mode", ["Different", np.frombuffer(b"Different\0\0\0", "u1"), "Same", None]
)
def test_flats_that_were_counted_longer(tmp_path, mode):
    times = {
        "measurement/instrument/detector/exposure_time": [0.1],
        "process/acquisition/flat_fields/flat_exposure_time": [0.25],
    }
    if mode is not None:
        times["measurement/instrument/detector/different_flat_exposure"] = mode
    longer = mode is not None and str(mode) != "Same"
    flats = np.rint((FLATS - 100.0) * (2.5 if longer else 1) + 100)
    path = write(tmp_path / "a.h5", data_white=flats, extra=times)
    with open_scan(path) as scan:
        y, _ = prepare(scan.projections[:], scan.flats[:], scan.darks[:], beam=scan.beam)
        np.testing.assert_allclose(y, TRUTH, atol=3e-3)
        assert (scan.beam is not None) == longer and bool(scan.unused) == (mode is None)
        assert len(scan.notes) == (str(mode) != "Same")


def test_a_sinogram_is_one_row(tmp_path):
    """Stored either way round; its flats are lines."""
    row = {"data_white": FLAT[0], "data_dark": DARKS[:3, 0], "truth": TRUTH[:, :1]}
    truth = row.pop("truth")
    path = write(tmp_path / "a.h5", data=COUNTS[:, 0], **row)
    check(path, "one sinogram, stored as theta:x", truth=truth)
    path = write(tmp_path / "b.h5", data=COUNTS[:, 0].T, **row)
    check(path, "one sinogram, stored as x:theta", truth=truth)
    path = write(tmp_path / "c.h5", "theta:y:x", data=COUNTS[:, 0], **row)
    check(path, "one sinogram, stored as theta:x", truth=truth)


def test_what_does_not_fit_is_refused_with_numbers(tmp_path):
    cases = [
        ({"theta": np.r_[ANGLES, 180]}, "expected 40 angles, one per projection, got 41"),
        ({"theta": ANGLES.reshape(4, 10)}, "expected a list of angles"),
        ({"theta": None}, "expected the angles of 40 views"),
        ({"data": COUNTS[:, 0], "theta": ANGLES[:9]}, "3-D, or one sinogram of 9 views"),
        ({"data_white": FLATS[:, :, 1:]}, "8 rows × 48 columns like the projections"),
        ({"axes": "theta:z:x"}, "expected axes theta:y:x or y:theta:x"),
    ]
    for changes, message in cases:
        with pytest.raises(DataError, match=message):
            open_scan(write(tmp_path / "a.h5", **changes))


def test_another_exchange_group_is_listed_and_can_be_chosen(tmp_path):
    path = write(tmp_path / "a.h5", extra={"exchange2/data": COUNTS + 1, "exchange2/theta": ANGLES})
    check(path, "not used: scans in /exchange2; choose with a.h5::/exchange2")
    with open_scan(f"{path}::/exchange2") as scan:
        np.testing.assert_array_equal(scan.projections[:], COUNTS + 1)
        assert len(scan.flats) == 0
