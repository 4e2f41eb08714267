"""NXtomo as facilities write it: every fact is used, or said not to be."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from discs import CENTER, COLUMNS, MU, disc_mask
from nxtomo_files import ANGLES, DARKS, FLATS, KEY, ROWS, VIEWS, counts, nxtomo, truth, turned

from physrecon.errors import DataError
from physrecon.io import open_scan, open_volume
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.run import run
from physrecon.preprocess.line_integrals import prepare

DETECTOR = "instrument__detector__"


def read(path, **options):
    """(line integrals, notes) of a scan, prepared as a job does."""
    with open_scan(path, **options) as scan:
        stacks = (scan.projections[:], scan.flats[:], scan.darks[:])
        y, _ = prepare(*stacks, flat_positions=scan.flat_positions, beam=scan.beam)
        np.testing.assert_allclose(scan.geometry.radians, np.deg2rad(ANGLES))
        return y, scan.notes


def check(path, *words, **options):
    """The line integrals are right; the only notes are those with the words, one each."""
    y, notes = read(path, **options)
    np.testing.assert_allclose(y, truth(), atol=2e-3)
    assert len(notes) == len(words), notes
    assert all(word in note for word, note in zip(words, notes, strict=True)), notes


def test_a_plain_file_needs_no_notes(tmp_path):
    check(nxtomo(tmp_path / "a.nx"))


def test_angles_may_be_nan_where_no_projection_is(tmp_path):
    key = np.r_[KEY, 3]
    frames = np.concatenate([counts(), counts()[:1]])
    angles = np.r_[[np.nan] * (DARKS + FLATS), ANGLES, np.nan]
    members = {f"{DETECTOR}image_key": key, f"{DETECTOR}image_key_control": key}
    check(nxtomo(tmp_path / "a.nx", frames, angles, **members), "1 marked invalid")
    angles[-2] = np.nan
    with pytest.raises(DataError, match="got 1 NaN or infinite of 40"):
        open_scan(nxtomo(tmp_path / "a.nx", frames, angles, **members))


@pytest.mark.parametrize("control_only", [False, True])
def test_views_for_alignment_are_left_out(tmp_path, control_only):
    frames = np.concatenate([counts(), counts()[[5, 25]]])
    angles = np.r_[np.zeros(DARKS + FLATS), ANGLES, ANGLES[[0, 20]]]
    members = {
        f"{DETECTOR}image_key": None if control_only else np.r_[KEY, 0, 0],
        f"{DETECTOR}image_key_control": np.r_[KEY, -1, -1],
    }
    path = nxtomo(tmp_path / "a.nx", frames, angles, **members)
    check(path, "2 views for alignment are left out")
    path = nxtomo(tmp_path / "b.nx", frames, angles[DARKS + FLATS :], **members)
    check(path, "2 views for alignment are left out")


@pytest.mark.parametrize("units", ["deg", "degree", "Degrees", "°", "[deg]", "rad", "Radian"])
def test_spellings_of_angles(tmp_path, units):
    angles = np.deg2rad(ANGLES) if "ad" in units else ANGLES
    check(nxtomo(tmp_path / "a.nx", angles=angles, units=units))


@pytest.mark.parametrize(
    ("units", "short"),
    [
        *((name, "um") for name in ("um", "µm", "μm", "Micron", "micrometers", "[um]", "um/px")),
        *((name, "mm") for name in ("mm", "MM", "millimetre")),
        *((name, "m") for name in ("m", "metre")),
    ],
)
@pytest.mark.parametrize("attribute", ["units", "unit"])
def test_spellings_of_lengths(tmp_path, units, short, attribute):
    size = (0.65, {attribute: units})
    path = nxtomo(tmp_path / "a.nx", sample__x_pixel_size=size, sample__y_pixel_size=size)
    with open_scan(path) as scan:
        assert (scan.pixel_size, scan.length_unit, scan.notes) == ((0.65, 0.65), short, [])


def test_a_length_of_an_unknown_unit_is_said(tmp_path):
    path = nxtomo(tmp_path / "a.nx", sample__x_pixel_size=(0.65, {"units": "furlong"}))
    with open_scan(path) as scan:
        assert scan.pixel_size is None and scan.unused == scan_facts(scan.notes)
        assert 'its unit "furlong" is no known length' in scan.unused[0]


def scan_facts(notes):
    return [note.removeprefix("not used: ") for note in notes if note.startswith("not used: ")]


MONITOR = np.r_[np.ones(DARKS + FLATS), 1 - 0.4 * np.arange(VIEWS) / VIEWS]
TIMES = np.r_[[0.1] * DARKS, [0.05] * FLATS, [0.1] * VIEWS]


def test_a_beam_monitor_divides_the_counts(tmp_path):
    path = nxtomo(tmp_path / "a.nx", counts(MONITOR), control__data=(MONITOR, {"units": "A"}))
    check(path, "counts are divided by /entry0000/control/data, 0.61 to 1")


def test_a_monitor_is_found_where_groups_have_no_classes(tmp_path):
    """As in files of Diamond: the entry is a subentry, here without its NX_class."""
    path = nxtomo(tmp_path / "a.nxs", counts(MONITOR), entry="entry1/tomo", control__data=MONITOR)
    with h5py.File(path, "a") as file:
        del file["entry1/tomo"].attrs["NX_class"], file["entry1/tomo/definition"]
    check(path, "counts are divided by /entry1/tomo/control/data")


def test_another_monitor_is_said(tmp_path):
    path = nxtomo(tmp_path / "a.nx", instrument__diode__data=MONITOR)
    check(path, "beam monitor /entry0000/instrument/diode/data, 0.61 to 1; control/data would be")


def test_counting_times_divide_the_counts(tmp_path):
    path = nxtomo(tmp_path / "a.nx", counts(TIMES / 0.1), **{f"{DETECTOR}count_time": TIMES})
    check(path, "0.1 for projections, 0.05 for flats")


@pytest.mark.parametrize("units", ["A", "mA", "counts", ""])
def test_a_current_is_multiplied_by_the_time_and_a_count_is_not(tmp_path, units):
    beam = MONITOR * TIMES / 0.1
    monitor = MONITOR if units.endswith("A") else beam
    members = {f"{DETECTOR}count_time": TIMES, "control__data": (monitor, {"units": units})}
    y, notes = read(nxtomo(tmp_path / "a.nx", counts(beam), **members))
    np.testing.assert_allclose(y, truth(), atol=2e-3)
    assert len(notes) == 2 and "counting time" in notes[1]


@pytest.mark.parametrize(
    ("monitor", "words"),
    [(MONITOR[1:], "44 values for 45 frames"), (MONITOR * 0, "43 of 43 values"), (MONITOR**0, "")],
)
def test_a_monitor_that_says_nothing_is_not_used(tmp_path, monitor, words):
    path = nxtomo(tmp_path / "a.nx", control__data=monitor)
    check(path, *([words] if words else []))


@pytest.mark.parametrize("bad", [np.nan, 0, -1.0, np.inf])
def test_one_bad_value_of_a_monitor_does_not_drop_the_others(tmp_path, bad):
    monitor = MONITOR.copy()
    monitor[DARKS + FLATS + 17] = bad
    path = nxtomo(tmp_path / "a.nx", counts(MONITOR), control__data=monitor)
    words = "no positive number for 1 view of 40 (17); that of the views around is taken"
    check(path, "control/data, 0.61 to 1", f"{words}; --exclude-views 17 leaves it out")
    with open_scan(path, exclude_views="17") as scan:
        assert len(scan.notes) == 2 and "left out" in scan.notes[1]
        np.testing.assert_allclose(scan.beam[0], np.delete(MONITOR[-VIEWS:], 17))


@pytest.mark.parametrize("factor", [1e-6, 1e3])
def test_a_monitor_that_stands_out_is_said(tmp_path, factor):
    monitor = MONITOR.copy()
    monitor[DARKS + FLATS + 17] *= factor
    path = nxtomo(tmp_path / "a.nx", counts(MONITOR), control__data=monitor)
    with open_scan(path) as scan:
        assert any("in 1 view (17)" in note and "--exclude-views 17" in note for note in scan.notes)
    with open_scan(path, exclude_views="17") as scan:
        assert not any("monitor failed" in note for note in scan.notes)


def test_one_bad_counting_time_of_a_flat_is_that_of_the_other_flats(tmp_path):
    times = TIMES.copy()
    times[DARKS] = np.nan
    path = nxtomo(tmp_path / "a.nx", counts(TIMES / 0.1), **{f"{DETECTOR}count_time": times})
    check(path, "0.1 for projections, 0.05 for flats", "no positive number for 1 flat of 3 (0)")


def test_a_monitor_without_flats_is_said(tmp_path):
    key = np.where(KEY == 1, 3, KEY)
    members = {f"{DETECTOR}image_key": key, f"{DETECTOR}image_key_control": key}
    path = nxtomo(tmp_path / "a.nx", counts(MONITOR), control__data=MONITOR, **members)
    with open_scan(path) as scan:
        assert scan.beam is None and "there are no flats to relate it to" in scan.unused[0]


def test_darks_of_another_time_are_said(tmp_path):
    times = np.r_[[0.2] * DARKS, [0.1] * (FLATS + VIEWS)]
    check(nxtomo(tmp_path / "a.nx", **{f"{DETECTOR}count_time": times}), "darks, 0.2, where")


def test_a_volume_of_a_drifting_beam_is_right(tmp_path):
    path = nxtomo(tmp_path / "a.nx", counts(MONITOR), control__data=MONITOR)
    job = ScanJob.build({"input": path, "output": tmp_path / "v.h5", "center": CENTER}, "test")
    with open_volume(run(job)) as volume:
        assert volume[0][disc_mask()].mean() == pytest.approx(MU, rel=0.02)


LR, UD = np.s_[:, :, ::-1], np.s_[:, ::-1]
BOTH = np.s_[:, ::-1, ::-1]


@pytest.mark.parametrize(
    ("stored", "members"),
    [
        (LR, turned("y")),
        (LR, turned("y", -180.0)),
        (LR, turned("y", np.float32(np.pi), "rad")),
        (UD, turned("x")),
        (BOTH, turned("z")),
        (BOTH, {**turned("x"), **turned("y")}),
        (np.s_[:], {**turned("x", 0.0), **turned("y", 360.0)}),
        (LR, {**turned("z"), "coordinates": None, "version": 1.4}),
        (UD, {**turned("y"), "coordinates": None, "version": 1.4}),
        (UD, {**turned("y"), "coordinates": "ESRF"}),
        (LR, {**turned("y"), "coordinates": None, "version": None}),
        (LR, {f"{DETECTOR}x_flipped": True, "version": 1.0, "coordinates": None}),
        (UD, {f"{DETECTOR}y_flipped": True, f"{DETECTOR}x_flipped": False}),
    ],
)
def test_a_mirrored_camera_is_undone(tmp_path, stored, members):
    path = nxtomo(tmp_path / "a.nx", counts()[stored], **members)
    mirrored = [] if stored == np.s_[:] else ["mirrored"]
    check(path, *mirrored)
    with open_scan(path) as scan:  # parts of rows and columns, too
        whole = scan.projections[:]
        for key in (np.s_[2, 1:], np.s_[:, 0], np.s_[3:5, ::2, 5:20:3], np.s_[..., 7]):
            np.testing.assert_array_equal(scan.projections[key], whole[key])


def test_a_tilted_detector_is_said(tmp_path):
    check(nxtomo(tmp_path / "a.nx", **turned("z", 0.3)), "tilt the detector by 0.3°")
    check(nxtomo(tmp_path / "b.nx", **turned("y", np.arange(5.0))), "a rotation that varies")


def test_half_acquisition_and_the_axis_are_said(tmp_path):
    members = {f"{DETECTOR}field_of_view": "Half", f"{DETECTOR}estimated_cor_from_motor": 12.5}
    words = ["field of view: half", f"column {12.5 + (COLUMNS - 1) / 2:g} or 12.5"]
    check(nxtomo(tmp_path / "a.nx", **members), *words)
    members = {f"{DETECTOR}x_rotation_axis_pixel_position": 2.0, **turned("y")}
    words = ["mirrored", f"column {(COLUMNS - 1) / 2 - 2:g} or {COLUMNS - 1 - 2}"]
    check(nxtomo(tmp_path / "b.nx", counts()[LR], **members), *words)


def test_a_moving_sample_and_a_near_source_are_said(tmp_path):
    size = (10e-6, {"units": "m"})
    sizes = {"sample__x_pixel_size": size, "sample__y_pixel_size": size}
    rest = {"sample__y_translation": (np.full(len(KEY), 3.0), {"units": "m"})}
    far = {"instrument__source__distance": (-145.0, {"units": "m"})}
    check(nxtomo(tmp_path / "a.nx", **sizes, **rest, **far))
    moving = {"sample__y_translation": (np.arange(len(KEY)) * 1e-3, {"units": "m"})}
    check(nxtomo(tmp_path / "b.nx", **sizes, **moving), "moves by 39 mm")
    near = {"instrument__source__distance": (-1e-4, {"units": "m"})}
    check(nxtomo(tmp_path / "c.nx", **sizes, **near), "diverge by 57.6 pixels")


def test_one_of_several_entries(tmp_path):
    """The default of the root, else the first; any by name."""
    path = tmp_path / "a.nx"
    for number in range(3):
        nxtomo(path, counts(1 + number), entry=f"entry000{number}", mode="a")

    def level(name=path):
        with open_scan(name) as scan:
            assert scan.path == path and scan.shape == (VIEWS, ROWS, COLUMNS)
            return scan.flats[0].max() // 19_000, scan.notes

    first, notes = level()
    assert first == 1 and "/entry0001, /entry0002" in notes[0] and "a.nx::/entry0001" in notes[0]
    assert [level(f"{path}::/entry000{n}")[0] for n in range(3)] == [1, 2, 3]
    assert level(f"{path}::entry0001") == (2, [])
    with h5py.File(path, "a") as file:
        file.attrs["default"] = "entry0002"
    assert level()[0] == 3 and level(f"{path}::/entry0000")[0] == 1
    with pytest.raises(DataError, match="it holds /entry0000, /entry0001, /entry0002"):
        open_scan(f"{path}::/entry0007")


def test_a_job_takes_an_entry(tmp_path):
    path = nxtomo(tmp_path / "a.nx", counts(2))
    nxtomo(path, entry="entry0001", mode="a")
    job = {"input": f"{path}::/entry0001", "output": tmp_path / "v.h5", "center": CENTER}
    with open_volume(run(ScanJob.build(job, "test"))) as volume:
        assert volume[0][disc_mask()].mean() == pytest.approx(MU, rel=0.02)


def test_a_line_detector_is_one_row(tmp_path):
    path = nxtomo(tmp_path / "a.nx", counts()[:, 0])
    y, notes = read(path)
    np.testing.assert_allclose(y, truth()[:, :1], atol=2e-3)
    assert notes == []
