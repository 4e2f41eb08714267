"""Files of parallel beams whose distances make them cones: NXtomo and Data Exchange."""

from __future__ import annotations

import cone_files
import h5py
import numpy as np
import pytest
from cone_files import (
    ANGLES,
    COLUMNS,
    FAR,
    NEAR,
    ROWS,
    VIEWS,
    WHITE,
    assert_is_fdk,
    assert_same,
    integrals,
    told,
)
from nxtomo_files import nxtomo

from physrecon.errors import DataError
from physrecon.io import open_scan

PITCH = 4.5  # mm; rays of a pixel are 1.2 pixels apart at the ends of the object
SENSE = ("--rotation", "counterclockwise")


def cone(**changes):
    return cone_files.cone(**({"pixel_size": PITCH} | changes))


def in_metres(number):
    return number * 1e-3, {"units": "m"}


def frames():
    flat = np.full((1, ROWS, COLUMNS), WHITE)
    return np.concatenate([flat, WHITE * np.exp(-integrals(cone()))]).astype("f4")


def nexus(path, **changes):
    """NXtomo as nxtomo writes it: distances from the sample, the source's negative."""
    key = np.r_[1, [0] * VIEWS]
    members = {
        "instrument__detector__image_key": key, "instrument__detector__image_key_control": key,
        "instrument__source__distance": in_metres(-NEAR),
        "instrument__detector__distance": in_metres(FAR - NEAR),
        "instrument__detector__x_pixel_size": in_metres(PITCH),
        "instrument__detector__y_pixel_size": in_metres(PITCH),
        "sample__x_pixel_size": in_metres(PITCH * NEAR / FAR),
        "sample__y_pixel_size": in_metres(PITCH * NEAR / FAR),
    }  # fmt: skip
    return nxtomo(path, frames(), np.r_[np.nan, ANGLES], **(members | changes))


def in_m():
    return cone(pixel_size=PITCH / 1e3, source_origin=NEAR / 1e3, source_detector=FAR / 1e3)


def test_nxtomo_with_distances_is_a_cone(here):
    nexus(here / "a.nx")
    found, said = told("a.nx")
    assert_same(found, in_m())
    assert "a cone beam, for the rays diverge by" in said and "--geometry parallel" in said
    assert_is_fdk("a.nx", in_m(), integrals(cone()), *SENSE)


@pytest.mark.parametrize("lacks", ["sample", "instrument__detector"])
def test_nxtomo_with_one_of_the_pixels(tmp_path, lacks):
    absent = {f"{lacks}__{axis}_pixel_size": None for axis in "xy"}
    found, _ = told(nexus(tmp_path / "a.nx", **absent))
    assert_same(found, in_m())


def test_nxtomo_with_pixels_that_contradict_each_other(tmp_path):
    path = nexus(tmp_path / "a.nx", sample__x_pixel_size=in_metres(PITCH))
    with pytest.raises(DataError, match="pixels that agree"):
        open_scan(path)
    with open_scan(path, pixel_size="4.5mm") as scan:
        assert_same(scan.geometry, cone())


def test_a_far_source_and_an_unknown_detector_leave_the_beam_parallel(tmp_path):
    far = nexus(tmp_path / "a.nx", instrument__source__distance=(-145.0, {"units": "m"}))
    with open_scan(far) as scan:
        assert scan.beam_kind == "parallel" and scan.pixel_size[1] == pytest.approx(3e-3)
    alone = nexus(tmp_path / "b.nx", instrument__detector__distance=None)
    with open_scan(alone) as scan:
        assert scan.beam_kind == "parallel"
        assert "no distance of the detector" in scan.unused[0]


def test_a_narrow_beam_is_parallel_with_the_pixel_of_the_sample(tmp_path):
    absent = {f"sample__{axis}_pixel_size": None for axis in "xy"}
    pixel = {f"instrument__detector__{axis}_pixel_size": in_metres(0.03) for axis in "xy"}
    found, said = told(nexus(tmp_path / "a.nx", **absent, **pixel))
    assert found.pixel_size == pytest.approx((2e-5, 2e-5))
    assert "that of the detector / 1.5" in said


def test_a_cone_that_is_taken_as_parallel_has_the_pixel_of_the_object(tmp_path):
    path = nexus(tmp_path / "a.nx")
    with open_scan(path, geometry="parallel") as scan:
        assert scan.pixel_size == pytest.approx((3e-3, 3e-3))
        assert "pixel size: at the object, that of the detector / 1.5" in scan.notes
    with open_scan(path, geometry="parallel", pixel_size="5mm") as scan:
        assert scan.pixel_size == (5, 5)


def exchange(path, **changes):
    """Data Exchange with the translations of source and detector, in m where no unit is stated."""
    where = "measurement/instrument"
    members = {
        "exchange/data": frames()[1:], "exchange/data_white": frames()[:1],
        "exchange/theta": ANGLES,
        f"{where}/source/geometry/translation/distances": np.array([0, 0, -NEAR]) / 1e3,
        f"{where}/detector/geometry/translation/distances": np.array([0, 0, FAR - NEAR]) / 1e3,
        f"{where}/detector/x_pixel_size": PITCH, f"{where}/detector/y_pixel_size": PITCH,
    } | changes  # fmt: skip
    with h5py.File(path, "w") as file:
        for name, value in members.items():
            if value is not None:
                file[name] = value
        file["exchange/theta"].attrs["units"] = "degrees"
        for name in filter(lambda name: name.endswith("_pixel_size"), members):
            file[name].attrs["units"] = "mm"
    return path


def test_data_exchange_with_translations_is_a_cone(here):
    exchange(here / "a.h5")
    found, said = told("a.h5")
    assert_same(found, cone())
    assert "a cone beam, for the rays diverge by" in said
    assert_is_fdk("a.h5", cone(), integrals(cone()), *SENSE)


def test_the_resolution_of_data_exchange_is_that_at_the_sample(tmp_path):
    objective = "measurement/instrument/detection_system/objective/resolution"
    path = exchange(tmp_path / "a.h5", **{objective: PITCH})
    with h5py.File(path, "a") as file:
        file[objective].attrs["units"] = "mm"
    with pytest.raises(DataError, match="pixels that agree"):
        open_scan(path)
    with h5py.File(path, "a") as file:
        file[objective][()] = PITCH * NEAR / FAR
    assert_same(told(path)[0], cone())
