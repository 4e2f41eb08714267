"""Scans out: `write_scan`, `convert`; volumes in slabs as one file: `pack`."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile
from scan_files import VIEWS, counts, nexus
from volume_files import DATA, SLABS, write

import physrecon as pr
from physrecon.cli.main import main
from physrecon.errors import ArgumentError, OutputError
from physrecon.io import convert_scan, open_scan, open_volume
from physrecon.io.output import scan_file

ANGLES = np.linspace(0, 180, VIEWS)


@pytest.mark.parametrize("dtype", ["u2", "f4", ">i4"])
def test_a_scan_reads_back(tmp_path, dtype, monkeypatch):
    monkeypatch.setattr(scan_file, "BLOCK", 200)  # several blocks
    data = counts().astype(dtype)
    more = {"flats": data[:3], "darks": data[0], "pixel_size": "0.65,0.7um", "center": 2.25}
    pr.write_scan(tmp_path / "s.h5", data, ANGLES, **more)
    with open_scan(tmp_path / "s.h5") as scan:
        np.testing.assert_array_equal(scan.projections[:], data)
        np.testing.assert_array_equal(scan.flats[:], data[:3])
        np.testing.assert_array_equal(scan.darks[:], data[:1])
        np.testing.assert_allclose(scan.angles, ANGLES)
        assert scan.pixel_size == (0.65, 0.7) and scan.length_unit == "um" and scan.center == 2.25
        assert scan.dtype == data.dtype.newbyteorder("=") and scan.angle_unit == "deg"
    with pytest.raises(OutputError, match="--overwrite"):
        pr.write_scan(tmp_path / "s.h5", data, ANGLES)
    pr.write_scan(tmp_path / "s.h5", data, np.deg2rad(ANGLES), angle_unit="rad", overwrite=True)
    with open_scan(tmp_path / "s.h5") as scan:
        assert scan.angle_unit == "rad" and not len(scan.flats)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"projections": counts()[0]}, r"projections \(n, rows, columns\)"),
        ({"projections": counts() * 1j}, "real numbers"),
        ({"angles": ANGLES[1:]}, "7 finite angles"),
        ({"angles": ANGLES * np.nan}, "7 finite angles"),
        ({"angle_unit": "turns"}, "deg or rad"),
        ({"flats": counts()[:, 1:]}, r"images of \(5, 6\)"),
        ({"darks": np.zeros(3)}, r"darks \(n, rows, columns\)"),
        ({"pixel_size": "3"}, "pixel_size"),
        ({"pixel_size": "3 furlongs"}, "pixel_size"),
    ],
)
def test_what_makes_no_scan(tmp_path, change, words):
    given = {"projections": counts(), "angles": ANGLES} | change
    with pytest.raises(ArgumentError, match=words):
        pr.write_scan(tmp_path / "s.h5", **given)
    assert not list(tmp_path.iterdir())


def test_convert(tmp_path, capsys):
    for kind, shift in (("v_", 0), ("flat_", 900)):
        for number, frame in enumerate(counts() + shift):
            tifffile.imwrite(tmp_path / f"{kind}{number:03d}.tif", frame)
    out = tmp_path / "new.h5"
    words = ["convert", str(tmp_path), "-o", str(out), "--angles", f"0..180/{VIEWS}"]
    assert main([*words, "--pixel-size", "2um", "--exclude-views", "1"]) == 0
    assert "Data Exchange, (6, 5, 6) uint16" in capsys.readouterr().out
    with open_scan(out) as scan:
        np.testing.assert_array_equal(scan.projections[:], np.delete(counts(), 1, axis=0))
        np.testing.assert_array_equal(scan.flats[:], counts() + 900)
        assert scan.pixel_size == (2, 2) and scan.angles[1] == 60
    assert main(words) == 73


def test_convert_says_what_is_lost(tmp_path, capsys):
    path = nexus(tmp_path / "a.nx", [1, 0, 0, 0, 1, 2])
    assert main(["convert", str(path), "-o", str(tmp_path / "b.h5"), "--transmission"]) == 0
    said = capsys.readouterr().err
    assert "not kept: when the flats were taken" in said and "pass --transmission again" in said


def test_pack(tmp_path, capsys):
    write(tmp_path / "v.h5", SLABS)
    one = tmp_path / "one.h5"
    assert main(["pack", str(tmp_path / "v.h5"), "-o", str(one)]) == 0
    assert "one file of" in capsys.readouterr().out
    with open_volume(tmp_path / "v.h5") as volume, open_volume(one) as packed:
        assert packed.configuration == volume.configuration and packed.sources == 0
        assert packed.voxel_size == volume.voxel_size and packed.length_unit == "um"
        np.testing.assert_array_equal(packed[:], DATA)
    with h5py.File(tmp_path / "v.h5") as slabs, h5py.File(one) as packed:
        place = "entry/reconstruction/results"
        for name in "zyx":
            np.testing.assert_array_equal(packed[place][name], slabs[place][name])
        assert packed["data"].attrs["units"] == "1/um" and not packed["data"].is_virtual
    assert main(["pack", str(tmp_path / "v.h5"), "-o", str(one)]) == 73
    assert main(["pack", str(one), "-o", str(one), "--overwrite"]) == 73


CONE = {"kind": "cone", "source_origin": "40mm", "source_detector": "0.06m", "roll": "0.3deg"}


@pytest.mark.parametrize(
    "geometry",
    [
        CONE,
        CONE
        | {"rotation": "clockwise", "row_offset": 1.5, "shifts": "0,0,2px", "pitch": "0.01rad"},
        CONE | {"kind": "helical", "rise": "3mm"},
        {"kind": "tilted", "tilt": "30deg"},
        "parallel",
    ],
)
def test_the_geometry_comes_back(tmp_path, geometry):
    a, b, data = tmp_path / "a.h5", tmp_path / "b.h5", counts()
    pr.write_scan(a, data, ANGLES, pixel_size="0.5mm", geometry=geometry)
    with pr.open_scan(a) as scan:
        kept, notes = scan.geometry, scan.notes
        convert_scan(b, scan)
    assert not any("not used" in note for note in notes)
    pr.write_scan(a, data, ANGLES, pixel_size="0.5mm", overwrite=True)
    with pr.open_scan(a, geometry=geometry) as given, pr.open_scan(b) as again:
        assert kept == given.geometry == again.geometry


def test_shifts_of_every_view_are_converted(tmp_path):
    np.savetxt(tmp_path / "shifts.txt", np.random.default_rng(0).normal(0, 1, (VIEWS, 3)))
    pr.write_scan(tmp_path / "a.h5", counts(), ANGLES)
    geometry = CONE | {"shifts": str(tmp_path / "shifts.txt")}
    with pr.open_scan(tmp_path / "a.h5", pixel_size="0.5mm", geometry=geometry) as scan:
        assert convert_scan(tmp_path / "b.h5", scan) == []
        with pr.open_scan(tmp_path / "b.h5") as again:
            assert again.geometry == scan.geometry


def test_what_makes_no_geometry_is_refused(tmp_path):
    with pytest.raises(pr.ArgumentError, match="expected the distance of a cone beam"):
        pr.write_scan(tmp_path / "a.h5", counts(), ANGLES, geometry="cone")
    with pytest.raises(pr.ArgumentError, match="write 40mm if it is in mm, or 40px"):
        pr.write_scan(
            tmp_path / "a.h5", counts(), ANGLES, pixel_size="1mm",
            geometry=CONE | {"source_origin": 40},
        )  # fmt: skip
    assert not (tmp_path / "a.h5").exists()


def test_distances_that_make_no_cone_are_said(tmp_path):
    geometry = CONE | {"source_origin": "40m", "source_detector": "60m"}
    pr.write_scan(tmp_path / "a.h5", counts(), ANGLES, pixel_size="0.5mm", geometry=geometry)
    with pr.open_scan(tmp_path / "a.h5") as scan:
        (note,) = (note for note in scan.notes if "as good as parallel" in note)
    assert "check their units" in note
