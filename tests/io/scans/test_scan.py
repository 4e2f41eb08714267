"""Reading scans: every format, every storage order, and what must not be guessed."""

from __future__ import annotations

import os

import h5py
import numpy as np
import pytest
from scan_files import COLUMNS, ROWS, VIEWS, counts, data_exchange, nexus, told

from physrecon.errors import ArgumentError, DataError, MissingInputError
from physrecon.io import describe, open_scan
from physrecon.io.scans.frames import Frames


@pytest.mark.parametrize("order", ["theta:y:x", "y:theta:x"])
@pytest.mark.parametrize("chunks", [None, (2, 2, 3)])
def test_data_exchange_is_read_in_either_order(tmp_path, order, chunks):
    path = data_exchange(tmp_path / "scan.h5", order=order, chunks=chunks)
    with open_scan(path) as scan:
        assert scan.kind == "Data Exchange"
        assert scan.shape == (VIEWS, ROWS, COLUMNS)
        np.testing.assert_array_equal(scan.projections[:, 1:4, :], counts()[:, 1:4])
        np.testing.assert_array_equal(scan.projections[2:5, :, 1:3], counts()[2:5, :, 1:3])
        assert scan.flats.shape == (2, ROWS, COLUMNS) and (scan.flats[:] == 1000).all()
        assert scan.darks.shape == (3, ROWS, COLUMNS) and (scan.darks[:] == 10).all()
        assert scan.flat_positions is None
        assert scan.geometry.shape == scan.shape
        assert scan.geometry.center == (COLUMNS - 1) / 2
        assert scan.notes == []


def test_frames_index_as_an_array_does(tmp_path):
    truth = counts()
    with open_scan(
        data_exchange(tmp_path / "scan.h5", order="y:theta:x", chunks=(2, 3, 4))
    ) as scan:
        frames = scan.projections
        for key in (
            3,
            -1,
            np.s_[::2],
            np.s_[::-1],
            np.s_[..., 2],
            np.s_[1, 2, 3],
            np.s_[:, -2],
            np.s_[:, ::2, 1::3],
            np.s_[:, 3:3],
            np.array([4, 1, 1]),
            np.arange(VIEWS) % 2 == 0,
        ):
            np.testing.assert_array_equal(frames[key], truth[key])
        np.testing.assert_array_equal(np.asarray(frames, np.float64), truth)
        assert frames.chunk_rows == 2 and len(frames) == VIEWS and frames.nbytes == truth.nbytes
        for key in (np.s_[:, ::-1], np.s_[0, 0, 0, 0]):
            with pytest.raises(ArgumentError):
                frames[key]
        with pytest.raises(IndexError):
            frames[:, ROWS]


def test_only_the_wanted_rows_are_read_in_runs_of_frames():
    """One hyperslab per run of consecutive frames, however the image key interleaves them."""
    reads = []

    class Recorder:
        shape, dtype, chunks = (9, ROWS, COLUMNS), np.dtype("u2"), None

        def read_direct(self, out, source, destination):
            reads.append((source[0], source[1], destination))

    Frames(Recorder(), np.array([0, 1, 2, 5, 7, 8]))[:, 1:3]  # type: ignore[arg-type]
    rows = slice(1, 3, 1)
    assert reads == [
        (slice(0, 3), rows, slice(0, 3)),
        (slice(5, 6), rows, slice(3, 4)),
        (slice(7, 9), rows, slice(4, 6)),
    ]


def test_big_endian_counts_arrive_in_native_order(tmp_path):
    path = data_exchange(tmp_path / "scan.h5", data=counts().astype(">f4"))
    with open_scan(path) as scan:
        assert scan.dtype == np.dtype("f4") and scan.projections[:].dtype.isnative
        np.testing.assert_array_equal(scan.projections[:], counts())


KEY = [2, 1, 1, 0, 0, 3, 0, 1, 0, 1]


@pytest.mark.parametrize("per_frame", [True, False])
def test_nxtomo_tells_frames_by_their_key(tmp_path, per_frame):
    key = np.array(KEY)
    angles = np.arange(len(KEY)) * 10.0
    path = nexus(tmp_path / "a.nxs", KEY, angles=angles if per_frame else angles[key == 0])
    with open_scan(path) as scan:
        frames = counts(len(KEY))
        assert scan.kind == "NXtomo"
        np.testing.assert_array_equal(scan.projections[:, 2:4], frames[key == 0][:, 2:4])
        np.testing.assert_array_equal(scan.flats[:], frames[key == 1])
        np.testing.assert_array_equal(scan.darks[:], frames[key == 2])
        np.testing.assert_array_equal(scan.angles, angles[key == 0])
        np.testing.assert_allclose(scan.flat_positions, [0, 0, 0.75, 1])
        assert scan.pixel_size == (2.0, 1.5) and scan.length_unit == "um"
        assert scan.notes == ["frames: 1 marked invalid are left out"]


def test_raw_nexus_needs_no_definition(tmp_path):
    path = nexus(tmp_path / "a.nxs", KEY, definition=None, angle_path="entry/scan/gts_theta_value")
    with open_scan(path) as scan:
        assert scan.kind == "NeXus (image_key)" and len(scan.angles) == KEY.count(0)


def test_nexus_errors_say_what_is_missing(tmp_path):
    key_only = nexus(tmp_path / "key.nxs", [0] * 8)
    with h5py.File(key_only, "a") as file:
        del file["entry/instrument/detector/image_key"]
        file["entry/instrument/detector/image_key"] = np.zeros(5, int)
    cases = [
        (key_only, "one image_key per frame"),
        (nexus(tmp_path / "flats.nxs", [1, 1, 2]), "key 0"),
        (nexus(tmp_path / "a.nxs", KEY, angles=np.arange(4) + 9.0), None),
        (nexus(tmp_path / "b.nxs", KEY, angles=np.arange(5) + 9.0), "4 angles, one per projection"),
        (nexus(tmp_path / "c.nxs", KEY, angle_path="entry/nothing"), "rotation angles"),
    ]
    for path, message in cases:
        if message is None:
            open_scan(path).close()
            continue
        with pytest.raises(DataError, match=message):
            open_scan(path)


def test_two_unlike_angle_lists_are_not_chosen_between(tmp_path):
    path = nexus(tmp_path / "a.nxs", KEY, definition=None, angle_path="entry/x/theta")
    with h5py.File(path, "a") as file:
        file["entry/y/theta"] = np.arange(len(KEY)) * 11.0
    with pytest.raises(DataError, match=r"got 2: /entry/x/theta, /entry/y/theta"):
        open_scan(path)


@pytest.mark.parametrize(
    ("units", "angles", "asked", "expected"),
    [
        ("degrees", np.arange(7.0), None, "deg"),
        ("radian", np.arange(7.0) / 3, None, "rad"),
        (None, np.arange(7.0) * 20, None, "deg"),
        (None, np.arange(7.0) / 3, "rad", "rad"),
        ("degrees", np.arange(7.0), "rad", "rad"),
        (None, np.arange(7.0), None, DataError),
        ("mrad", np.arange(7.0) * 20, None, DataError),
    ],
)
def test_angle_units_are_never_guessed(tmp_path, units, angles, asked, expected):
    path = data_exchange(tmp_path / "scan.h5", theta=angles, theta_units=units)
    if expected is DataError:
        with pytest.raises(DataError, match="--angle-unit"):
            open_scan(path, asked)
        return
    with open_scan(path, asked) as scan:
        assert scan.angle_unit == expected
        clear = (units is not None and asked is None) or (units is None and asked is not None)
        assert (
            scan.notes == []
        ) == clear  # whatever is decided against or without the file is said


def test_unknown_angle_unit_is_an_argument_error(tmp_path):
    with pytest.raises(ArgumentError):
        open_scan(data_exchange(tmp_path / "scan.h5"), "turns")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"theta": np.arange(6.0) * 9}, "7 angles, one per projection, got 6"),
        ({"theta": None}, "/exchange/theta"),
        ({"theta": np.array([0, np.nan, 2, 3, 4, 5, 99.0])}, "1 NaN"),
        ({"data": None}, "projections"),
        ({"data": np.zeros((5, 6))}, "3-D"),
        ({"data": np.zeros((7, 5, 6), complex)}, "3-D real numbers"),
        ({"data_white": np.zeros((2, 4, 6))}, "5 rows × 6 columns"),
    ],
)
def test_unusable_data_exchange_says_why(tmp_path, changes, message):
    path = data_exchange(tmp_path / "scan.h5", **changes)
    with pytest.raises(DataError, match=message) as raised:
        open_scan(path)
    assert raised.value.exit_code == 65 and "scan.h5" in str(raised.value)
    with pytest.raises(DataError, match=message):
        describe(path)


def test_missing_flats_and_darks(tmp_path):
    path = data_exchange(tmp_path / "scan.h5", data_white=None, data_dark=None)
    with open_scan(path) as scan:
        assert scan.flats.shape == (0, ROWS, COLUMNS) and scan.flats[:].shape == (0, ROWS, COLUMNS)
        assert len(scan.darks) == 0 and any("zero" in note for note in scan.notes)
        with pytest.raises(DataError, match="--line-integrals"):
            scan.require_flats()
    with open_scan(path, line_integrals=True) as scan:
        scan.require_flats()
        assert scan.notes == []


def test_pixel_size_and_axis_of_data_exchange(tmp_path):
    path = data_exchange(tmp_path / "scan.h5")
    detector = "measurement/instrument/detector"
    optics = "measurement/instrument/detection_system/objective"
    with h5py.File(path, "a") as file:
        file["exchange/center"] = 3.25
        file[f"{detector}/x_pixel_size"] = 5.0
        file[f"{detector}/y_pixel_size"] = 0.006
    with open_scan(path) as scan:  # lengths without a unit are no lengths
        assert scan.center == scan.geometry.center == 3.25
        assert scan.pixel_size is None and "pixel size" in scan.notes[0]
    with h5py.File(path, "a") as file:
        file[f"{detector}/x_pixel_size"].attrs["units"] = "um"
        file[f"{detector}/y_pixel_size"].attrs["units"] = "mm"
        file[f"{optics}/magnification"] = 2.0
    with open_scan(path) as scan:
        assert scan.pixel_size == pytest.approx((3.0, 2.5)) and scan.length_unit == "um"
    with h5py.File(path, "a") as file:
        file[f"{optics}/resolution"] = 1.25
        file[f"{optics}/resolution"].attrs["units"] = "microns"
    with open_scan(path) as scan:
        assert scan.pixel_size == (1.25, 1.25) and scan.geometry.pixel_size == (1.25, 1.25)


def test_fingerprint_is_stable_and_sees_changes(tmp_path):
    path = data_exchange(tmp_path / "scan.h5")

    def fingerprint():
        with open_scan(path) as scan:
            return scan.fingerprint()

    first = fingerprint()
    assert first == fingerprint() and len(first) == 64
    stat = path.stat()
    with h5py.File(path, "a") as file:
        file["exchange/data"][0, ROWS // 2, 0] += 1
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fingerprint() != first


def test_missing_input_has_its_own_exit_code(tmp_path):
    for path in (tmp_path / "absent.h5", tmp_path):
        with pytest.raises(MissingInputError) as raised:
            open_scan(path)
        assert raised.value.exit_code == 66


def test_aps_tooth(shared_data):
    with open_scan(shared_data / "aps_tooth/tooth.h5") as scan:
        assert scan.shape == (181, 2, 640)
        assert (len(scan.flats), len(scan.darks), scan.angle_unit) == (10, 10, "deg")
        assert scan.summary() == (
            "tooth.h5: Data Exchange, 181 views over 180°, 2 rows × 640 columns, flats 10, darks 10"
        )


def test_k11_through_its_links(shared_data):
    """Transmission of real counts: 0.36 … 1.31 with mean 0.85 (flats at both ends averaged)."""
    with open_scan(shared_data / "dls_k11_nexus/k11-18014.nxs") as scan:
        assert scan.kind == "NeXus (image_key)" and scan.shape == (3001, 22, 26)
        assert scan.angle_unit == "deg" and 89.9 < scan.angles.min() < 90.1
        assert (scan.flat_positions == np.repeat([0, 1], 50)).all()
        flat, dark = (field[:].astype(float).mean(axis=0) for field in (scan.flats, scan.darks))
        transmission = (scan.projections[:] - dark) / (flat - dark)
    assert transmission.min() >= 0.36 and transmission.max() <= 1.31
    assert transmission.mean() == pytest.approx(0.85, abs=0.01)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("aps_tooth/tooth.h5", ["Data Exchange", "181 views"]),
        ("dls_k11_nexus/k11-18014.nxs", ["3001 views", "flats: 50 before", "34 lead to data"]),
        ("dls_k11_nexus/k11-18014/k11-18014-imaging.h5", ["image stack", "links to it"]),
        ("dls_k11_nexus/k11-18014/k11-18014-pcompPanda.h5", ["lists of values", "links to them"]),
        ("sdeconv/pollen.tif", ["TIFF image ZYX (32, 256, 256)", "16-bit saturation: 1 of"]),
        ("dls_i18_stxm/mm.nxs", ["NXstxm", "monitor/data", "subtract its level", "integrals"]),
    ],
)
def test_every_shared_file_is_described(shared_data, name, words):
    text = told(shared_data / name)
    assert name.rpartition("/")[2] in text.splitlines()[0]
    assert all(word in text for word in words), text


def test_a_shared_scan_of_a_fan_beam(shared_data):
    text = told(shared_data / "htc2022/tb_subsample_30.mat")
    assert "fan beam, 61 views" in text and "source 410.66 mm" in text
