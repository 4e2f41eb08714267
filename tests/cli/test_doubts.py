"""What must not go through in silence."""

from __future__ import annotations

import numpy as np
import pytest
from discs import COLUMNS, write_scan
from listing import files

from physrecon.cli.main import main

STEPS = np.arange(90) * 2.0
DOUBTFUL = {
    "radians called degrees": ({"theta": np.deg2rad(STEPS)}, [], "radians"),
    "a full turn of them": ({"theta": np.deg2rad(2 * STEPS)}, [], "2π"),
    "degrees taken as radians": ({}, ["--angle-unit", "rad"], "degrees"),
    "one direction": ({"theta": np.full(90, 30.0)}, [], "one line"),
    "forth and back": ({"theta": 180.0 * (np.arange(90) % 2)}, [], "one line"),
    "a single view": ({"views": 1}, [], "single view"),
    "counts as floats": (
        {"data": np.full((90, 3, COLUMNS), 9e3, np.float32), "remove": ["data_white"]},
        ["--line-integrals"],
        "median",
    ),
    "flats beside line integrals": (
        {"data": np.ones((90, 3, COLUMNS), np.float32)},
        ["--line-integrals"],
        "flats",
    ),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_a_doubtful_scan_is_reconstructed_with_a_warning(case, here, capsys):
    contents, options, word = DOUBTFUL[case]
    write_scan(here / "scan.h5", **contents)
    for argv in (["recon", "scan.h5", "-o", "v.h5"], ["plan", "scan.h5"]):
        assert main([*argv, "--center", "22.3", *options]) == 0
        warnings = [x for x in capsys.readouterr().err.splitlines() if x.startswith("warning: ")]
        assert any(word in line for line in warnings), warnings


def test_sound_angles_give_no_warning(scan, here, capsys):
    few = write_scan(here / "few.h5", views=4, theta=np.arange(4) * 30.0)
    for path in (scan, few):
        assert main(["plan", str(path)]) == 0
        assert "warning" not in capsys.readouterr().err


def test_few_views_within_a_small_angle_are_told(here, capsys):
    few = write_scan(here / "few.h5", views=4, theta=np.arange(4) * 1.0)
    assert main(["plan", str(few)]) == 0
    said = capsys.readouterr().err
    assert "all 4 views look along nearly one line" in said and "--angle-unit" not in said


BEYOND = 1.3 * COLUMNS + COLUMNS / 2
NO_LIGHT = np.zeros((90, 3, COLUMNS), np.uint16)
REFUSED = {
    "counts as line integrals": ({}, ["--line-integrals"], 65, "drop --line-integrals"),
    "float counts as line integrals": (
        {"data": np.full((90, 3, COLUMNS), 9e3, np.float32)},
        ["--line-integrals", "--center", "22"],
        65,
        "drop --line-integrals",
    ),
    "axis far left": ({}, ["--center", "-1e9"], 64, "axis"),
    "axis beyond all numbers": ({}, ["--center", "1e300"], 64, "axis"),
    "axis where no ray is": ({}, ["--center", f"{BEYOND}"], 64, "axis"),
    "no light": ({"data": NO_LIGHT}, ["--center", "22"], 65, "light"),
    "less than none": (
        {"data": NO_LIGHT.astype(np.int32) - 9},
        ["--center", "22"],
        65,
        "light",
    ),
    "one direction": ({"theta": np.full(90, 30.0)}, [], 65, "--center"),
    "a picture": ({}, ["-o", "v.png"], 64, "v.h5"),
    "a folder": ({}, ["-o", "."], 73, "volume.h5"),
    "no such folder": ({}, ["-o", "nodir/v.h5"], 73, "no folder nodir"),
    "filter of an iterative method": (
        {},
        ["--method", "cgls", "--filter", "hann"],
        64,
        "--method fbp",
    ),
    "padding of an iterative method": ({}, ["--method", "sirt", "--padding", "edge"], 64, "fbp"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_nonsense_is_refused_and_leaves_nothing(case, here, capsys):
    contents, options, code, word = REFUSED[case]
    write_scan(here / "scan.h5", **contents)
    before = files(here)
    output = [] if "-o" in options else ["-o", "v.h5"]
    assert main(["recon", "scan.h5", *output, *options]) == code
    out, err = capsys.readouterr()
    assert word in err and "RuntimeWarning" not in err
    if output == []:
        assert "center" not in out, "the output must be looked at before the axis is searched"
    assert files(here) == before


def test_radians_called_degrees_have_no_axis_to_be_found(here, capsys):
    write_scan(here / "scan.h5", theta=np.deg2rad(STEPS))
    assert main(["find-center", "scan.h5"]) == 65
    out, err = capsys.readouterr()
    assert "found" not in out and "--center" in err and "--angle-unit rad" in err


def test_an_axis_is_told_with_its_uncertainty_and_the_reason(capsys):
    from physrecon.pipeline.messages import Messages
    from physrecon.pipeline.scan.resolve import say_axis
    from physrecon.preprocess.rotation_axis import Center

    columns = {"opposite views": 20.4, "consistency": 30.6, "slice": 20.5}
    say_axis(Center(20.42, 0.3, columns, ("consistency",)), Messages())
    out, err = capsys.readouterr()
    assert "center: 20.42 ± 0.3 (found by opposite views and slice within 0.1 columns" in out
    assert "consistency, 30.60, makes a worse slice" in out and err == ""
    say_axis(Center(25, 5.0, columns, ()), Messages())
    assert "± 5 columns only" in capsys.readouterr().err


def test_missing_darks_are_told_once(here, capsys):
    write_scan(here / "scan.h5", remove=["data_dark"])
    assert main(["recon", "scan.h5", "-o", "v.h5"]) == 0
    assert capsys.readouterr().err.count("dark") == 1
