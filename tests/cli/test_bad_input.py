"""Input and output that cannot be: refused with a sentence, nothing left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from discs import COLUMNS, write_scan
from listing import files

from physrecon.cli.main import main


def truncated(path):
    whole = write_scan(path, views=300).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def no_flat_light(path):
    dark = np.full((4, 3, COLUMNS), 50, np.uint16)
    write_scan(path, data_white=dark)


def external_storage(path):
    write_scan(path, remove=["data"])
    secret = path.with_name("secret")
    secret.write_bytes(bytes(90 * 3 * COLUMNS * 2))
    with h5py.File(path, "a") as file:
        file["exchange"].create_dataset(
            "data", (90, 3, COLUMNS), np.uint16, external=[(str(secret), 0, h5py.h5f.UNLIMITED)]
        )


def endless(path):
    write_scan(path, remove=["data", "theta"])
    with h5py.File(path, "a") as file:
        file["exchange"].create_dataset("data", (10**6,) * 3, np.float32, chunks=(1, 100, 100))
        file["exchange/theta"] = np.arange(10.0**6)
        file["exchange/theta"].attrs["units"] = "degrees"


NAN = np.full((90, 3, COLUMNS), np.nan, np.float32)
BAD = {
    "absent": (lambda path: None, 66, ["none", "check"]),
    "folder": (lambda path: path.mkdir(), 66, ["folder"]),
    "not HDF5": (lambda path: path.write_text("a scan"), 65, ["HDF5"]),
    "empty": (lambda path: path.touch(), 65, ["empty"]),
    "truncated": (truncated, 65, ["truncated", "copy"]),
    "no projections": (lambda path: write_scan(path, remove=["data"]), 65, ["projections"]),
    "angles too few": (lambda path: write_scan(path, theta=np.arange(7.0)), 65, ["90", "7"]),
    "no angles": (lambda path: write_scan(path, remove=["theta"]), 65, ["theta"]),
    "angles without unit": (
        lambda path: write_scan(path, theta=np.linspace(0, 3.1, 90), unit=None),
        65,
        ["--angle-unit"],
    ),
    "all NaN": (lambda path: write_scan(path, data=NAN), 65, ["NaN"]),
    "flats zero": (no_flat_light, 65, ["flats"]),
    "flats missing": (
        lambda path: write_scan(path, remove=["data_white"]),
        65,
        ["--line-integrals"],
    ),
    "external raw storage": (external_storage, 65, ["external", "h5repack"]),
    "a million cubed": (endless, 65, ["never written"]),
    "all the same": (
        lambda path: write_scan(path, data=np.full((90, 3, COLUMNS), 10_000, np.uint16)),
        65,
        ["axis"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_a_sentence_and_leaves_nothing(case, here, capsys):
    make, code, words = BAD[case]
    make(here / "scan.h5")
    before = files(here)
    assert main(["recon", "scan.h5", "-o", "v.h5", "--slab-rows", "1"]) == code
    err = capsys.readouterr().err
    assert "Traceback" not in err and "fault of ours" not in err
    for word in (
        ["scan.h5", *words] if case not in ("all NaN", "flats zero", "all the same") else words
    ):
        assert word in err
    assert files(here) == before


def test_bad_counts_in_a_late_slab_leave_nothing(here, capsys):
    data = np.full((90, 3, COLUMNS), 5000.0, np.float32)
    data[:, 2] = np.nan
    write_scan(here / "scan.h5", data=data)
    before = files(here)
    argv = ["recon", "scan.h5", "-o", "v.h5", "--slab-rows", "1", "--center", "23"]
    assert main(argv) == 65
    assert "row" in capsys.readouterr().err
    assert files(here) == before


@pytest.mark.parametrize(
    "output, code, words",
    [
        ("old.h5", 73, ["exists", "--overwrite"]),
        ("scan.h5", 73, ["input"]),
        ("nowhere/v.h5", 73, ["folder"]),
        ("old.h5/v.h5", 73, ["folder"]),
        ("/proc/v.h5", 73, ["folder"]),
    ],
)
def test_an_output_that_cannot_be_is_refused_at_once(output, code, words, scan, here, capsys):
    (here / "old.h5").write_text("precious")
    before, whole = files(here), scan.read_bytes()
    assert main(["recon", "scan.h5", "-o", output, "--center", "22"]) == code
    err = capsys.readouterr().err
    for word in words:
        assert word in err
    assert (here / "old.h5").read_text() == "precious" and scan.read_bytes() == whole
    assert files(here) == before


def test_overwriting_the_input_is_never_allowed(scan, here, capsys):
    whole = scan.read_bytes()
    assert main(["recon", "scan.h5", "-o", "./scan.h5", "--overwrite"]) == 73
    assert scan.read_bytes() == whole


def test_a_device_that_is_absent_is_named_with_its_package(scan, here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert main(["recon", "scan.h5", "-o", "v.h5", "--device", "cuda"]) == 69
    assert "pip install" in capsys.readouterr().err
    assert files(here) == {"scan.h5"}


def test_data_in_another_folder_are_read_when_that_is_allowed(scan, here, capsys):
    elsewhere = here.parent / "elsewhere"
    elsewhere.mkdir()
    scan.rename(elsewhere / "data.h5")
    with h5py.File("master.h5", "w") as file:
        file["exchange"] = h5py.ExternalLink(str(elsewhere / "data.h5"), "/exchange")
    for command in (["info", "master.h5"], ["recon", "master.h5", "-o", "v.h5"]):
        main(command)
        out, err = capsys.readouterr()
        assert "--allow-root" in out + err and not Path("v.h5").exists()
        assert main([*command, "--allow-root", str(elsewhere)]) == 0
        assert "Data Exchange" in capsys.readouterr().out


def test_rows_that_are_not_there(scan, capsys):
    assert main(["recon", "scan.h5", "-o", "v.h5", "--slices", "2:9"]) == 64
    assert "0:3" in capsys.readouterr().err


def test_debug_shows_the_traceback(scan, capsys):
    assert main(["--debug", "recon", "nothing.h5", "-o", "v.h5"]) == 66
    assert "Traceback" in capsys.readouterr().err
    assert main(["recon", "nothing.h5", "-o", "v.h5", "--debug"]) == 66
    assert "Traceback" in capsys.readouterr().err


def test_a_linked_file_is_an_input_too(scan, here, capsys):
    with h5py.File("master.h5", "w") as file:
        file["exchange"] = h5py.ExternalLink("scan.h5", "/exchange")
    whole = scan.read_bytes()
    assert main(["recon", "master.h5", "-o", "scan.h5", "--overwrite"]) == 73
    assert scan.read_bytes() == whole


@pytest.mark.parametrize(
    "argv, code, words",
    [
        ("--center auto", 64, ["--center", "column such as"]),
        ("--center 1e9", 64, ["center", "detector"]),
        ("--shape 100000,100000,100000", 73, ["free space"]),
        ("--views 1000000000000", 73, ["free space"]),
        ("-o nodir/s.h5", 73, ["no folder nodir"]),
        ("--phantom cat", 64, ["shepp-logan", "foam"]),
    ],
)
def test_what_cannot_be_simulated_is_refused_at_once(argv, code, words, here, capsys):
    usual = "simulate -o s.h5 --shape 2,24,24 --views 30"
    assert main([*usual.split(), *argv.split()]) == code
    err = capsys.readouterr().err
    assert all(word in err for word in words), err
    assert not files(here)
