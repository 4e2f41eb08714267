"""The program as its user meets it: words, exit codes, streams, and nothing left half-written."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from discs import CENTER, COLUMNS, write_scan

from physrecon import catalog
from physrecon.cli.main import main

HEAVY = ("numpy", "numba", "h5py", "scipy", "matplotlib", "pydantic", "tqdm")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def scan(here):
    return write_scan(here / "scan.h5")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# Words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv, words",
    [
        (["recn"], ["recon", "find-center", "did you mean recon"]),
        (["recon"], ["SCAN", "--output"]),
        (["recon", "s.h5"], ["--output"]),
        (["recon", "s", "-o", "v", "--itertions", "3"], ["did you mean --iterations"]),
        (["recon", "s", "-o", "v", "--filter", "ramlak"], ["did you mean ram-lak", "hann"]),
        (["recon", "s", "-o", "v", "--method", "sirts"], ["did you mean sirt", "cgls"]),
        (["recon", "s", "-o", "v", "--memory", "lots"], ["--memory", "4GB"]),
        (["recon", "s", "-o", "v", "--slices", "5:2"], ["--slices", "a < b"]),
        (["recon", "s", "-o", "v", "--center", "left"], ["--center", "auto"]),
        (["recon", "s", "-o", "v", "--center", "nan"], ["--center", "auto"]),
        (["recon", "s", "-o", "v", "--threads", "0"], ["--threads", ">= 1"]),
        (["recon", "s", "-o", "v", "--device", "tpu"], ["cpu", "cuda"]),
        (["recon", "s", "-o", "v", "--set", "centre=3"], ["did you mean center"]),
        (["recon", "s", "-o", "v", "--set", "center"], ["key=value"]),
        (["recon", "s", "-o", "v", "--set", "center=left"], ["column such as 296.0"]),
        (["recon", "s", "-o", "v", "--iterations", "3"], ["iterative method", "cgls"]),
        (["recon", "s", "-o", "v", "--nonnegative", "--method", "cgls"], ["sirt"]),
        (["recon", "s", "-o", "v", "--method", "gd", "--set", "solver.stp=1"], ["step"]),
        (["recon", "s", "-o", "v", "--method", "gd", "--set", "solver.step=9"], ["step < 2"]),
        (["recon", "s", "t", "-o", "v"], ["no further argument", "'t'"]),
        (["view", "v", "--window", "2:1"], ["lo < hi"]),
        (["simulate", "-o", "s", "--shape", "3,4", "--views", "9"], ["z,y,x"]),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_one(argv, words, here, capsys):
    assert main(argv) == 64
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    for word in words:
        assert word in err
    assert not files(here)


@pytest.mark.parametrize("argv", [["--help"], ["recon", "--help"], ["--version"], []])
def test_help_goes_to_stdout(argv, capsys):
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert "physrecon" in out and err == ""


@pytest.mark.parametrize("argv", [["--help"], ["recon", "s", "-o", "v", "--filter", "ramlak"]])
def test_help_and_usage_errors_answer_at_once(argv):
    program = (
        "import sys; from physrecon.cli.main import main; main(sys.argv[1:]);"
        f"heavy = [name for name in {HEAVY} if name in sys.modules]; sys.exit(bool(heavy))"
    )
    times = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", program, *argv], capture_output=True)
        times.append(time.perf_counter() - start)
        assert done.returncode == 0, "something heavy was imported"
    assert min(times) < 0.3


def test_the_names_of_the_command_line_are_those_of_the_library():
    from physrecon.analytic.fbp import FILTERS
    from physrecon.arrays.device import DEVICES
    from physrecon.cli.options import parser
    from physrecon.datasets.simulate import PHANTOMS
    from physrecon.geometry.parallel_beam import ANGLE_UNITS
    from physrecon.preprocess.rings import RINGS
    from physrecon.solvers import METHODS

    assert tuple(FILTERS) == catalog.FILTERS
    assert set(METHODS) == set(catalog.ITERATIVE) == set(catalog.ITERATIONS)
    assert DEVICES == catalog.DEVICES and ANGLE_UNITS == catalog.ANGLE_UNITS
    assert ("none", *RINGS) == catalog.RINGS
    assert tuple(PHANTOMS) == catalog.PHANTOMS
    commands = next(a for a in parser()._actions if a.dest == "command")
    assert set(commands.choices) == set(catalog.COMMANDS)


def test_a_negative_window_is_a_value(scan, here, capsys):
    assert main(["recon", "scan.h5", "-o", "v.h5", "--center", "22.3"]) == 0
    assert main(["view", "v.h5", "--window", "-0.1:0.2", "-o", "v.png"]) == 0
    assert capsys.readouterr().out.endswith("v.png\n")
    assert (here / "v.png").read_bytes().startswith(b"\x89PNG")


# Bad input ------------------------------------------------------------------------------------


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


# Job files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, words",
    [
        ("input = ", ["TOML"]),
        ('input = "scan.h5"\noutput = "v.h5"\nmethd = "fbp"', ["did you mean method"]),
        ('output = "v.h5"', ["input"]),
        ('input = "scan.h5"\noutput = "v.h5"\nmethod = "sirts"', ["did you mean sirt"]),
        ('input = "scan.h5"\noutput = "v.h5"\ncenter = "left"', ["center", "column"]),
        ('input = "scan.h5"\noutput = "v.h5"\n[stop]\niters = 3', ["stop", "iterations"]),
    ],
)
def test_a_job_file_that_makes_no_sense(text, words, scan, here, capsys):
    (here / "job.toml").write_text(text)
    assert main(["run", "job.toml"]) == 78
    err = capsys.readouterr().err
    for word in ["job.toml", *words]:
        assert word in err


def test_a_job_file_that_is_not_there(here, capsys):
    assert main(["run", "job.toml"]) == 66


def test_a_job_file_says_the_same_as_options(scan, here, capsys):
    (here / "job.toml").write_text(
        'input = "scan.h5"\noutput = "a.h5"\nmethod = "sirt"\nslices = "1:3"\ncenter = 22.3\n'
        "nonnegative = true\n[solver]\niterations = 3\n"
    )
    assert main(["run", "job.toml"]) == 0
    argv = "recon scan.h5 -o b.h5 --method sirt --slices 1:3 --center 22.3 --nonnegative"
    assert main([*argv.split(), "--iterations", "3"]) == 0
    with h5py.File("a.h5") as a, h5py.File("b.h5") as b:
        assert np.array_equal(a["data"], b["data"]) and a["data"].shape == (2, COLUMNS, COLUMNS)


# The other commands ---------------------------------------------------------------------------


def test_plan_explains_and_computes_nothing(scan, here, capsys):
    assert main(["plan", "scan.h5", "--slab-rows", "2", "--method", "cgls"]) == 0
    out = capsys.readouterr().out
    for word in ("cgls", "2 slabs", "memory", "(3, 48, 48)", "scan_rec.h5"):
        assert word in out
    assert files(here) == {"scan.h5"}
    (here / "job.toml").write_text('input = "scan.h5"\noutput = "v.h5"\n')
    assert main(["plan", "job.toml"]) == 0
    assert "v.h5" in capsys.readouterr().out


def test_info_says_what_files_are(scan, here, capsys):
    (here / "notes.txt").write_text("no scan")
    assert main(["info", "notes.txt", "scan.h5"]) == 65
    out, err = capsys.readouterr()
    assert "Data Exchange" in out and "90 views" in out and "notes.txt" in err
    assert main(["info", "scan.h5"]) == 0
    with h5py.File("scan.h5", "a") as file:
        del file["exchange/theta"].attrs["units"]
        file["exchange/theta"][:] /= 60
    capsys.readouterr()
    assert main(["info", "scan.h5"]) == 65
    assert "--angle-unit" in capsys.readouterr().err  # and so it must be an option of info
    assert main(["info", "scan.h5", "--angle-unit", "deg"]) == 0


def test_info_goes_on_after_a_file_that_is_not_there(scan, capsys):
    assert main(["info", "nothing.h5", "scan.h5"]) == 66
    out, err = capsys.readouterr()
    assert "Data Exchange" in out and "nothing.h5" in err


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_a_terminal_sees_a_bar(scan, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert main(["recon", "scan.h5", "-o", "v.h5", "--slab-rows", "1"]) == 0
    shown = sys.stderr.getvalue().split("\r")
    assert any(line.startswith("recon ██") and "3/3 slices" in line for line in shown)
    assert "1/3 slices" in sys.stderr.getvalue()


def test_demo_shows_that_iterating_pays(here, capsys, monkeypatch):
    from physrecon.demos import tomography

    monkeypatch.setattr(tomography, "SHAPE", (3, 48, 48))
    monkeypatch.setattr(tomography, "VIEWS", 40)
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    assert files(here / "physrecon-demo") == {"scan.h5", "fbp.h5", "sirt.h5", "demo.png"}
    score = {line.split()[0]: float(line.split()[3]) for line in out.splitlines() if " dB" in line}
    assert score["sirt"] > score["fbp"] + 1 > 15
    assert main(["demo"]) == 73
    assert "--overwrite" in capsys.readouterr().err


def test_find_center_tells_its_methods(scan, capsys):
    assert main(["find-center", "scan.h5"]) == 0
    out = capsys.readouterr().out
    column = float(out.split()[1])
    assert abs(column - CENTER) < 0.3
    assert "correlation" in out and "consistency" in out and "±" in out


def test_simulate_writes_what_recon_reads(here, capsys):
    argv = "simulate -o s.h5 --shape 2,24,24 --views 30 --seed 3 --center 12.5"
    assert main(argv.split()) == 0
    assert main(argv.split()) == 73
    assert main(["recon", "s.h5", "-o", "v.h5"]) == 0
    out = capsys.readouterr().out
    assert "1/mm" in out and "physrecon view v.h5" in out
    assert (
        main(["simulate", "-o", "t.h5", "--shape", "2,24,24", "--views", "3", "--phantom", "cat"])
        == 64
    )


def test_results_and_progress_go_their_own_ways(scan, capsys):
    assert main(["recon", "scan.h5", "-o", "v.h5", "--slab-rows", "1"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("scan.h5: Data Exchange, 90 views")
    assert lines[1].startswith("center: 22") and "agreement of" in lines[1]
    assert lines[-1].startswith("v.h5: (3, 48, 48) float32, 1/pixel")
    assert [line.split()[1] for line in err.splitlines() if line.startswith("recon ")] == [
        "1/3", "2/3", "3/3",
    ]  # fmt: skip


# What must not go through in silence ------------------------------------------------------------


@pytest.fixture
def volume(here):
    write_scan(here / "scan.h5")
    assert main(["recon", "scan.h5", "-o", "v.h5", "--center", "22.3"]) == 0
    return here / "v.h5"


@pytest.mark.parametrize(
    "name, code", [("p.png", 73), ("v.h5", 64), ("pic.jpg", 64), ("pic.txt", 64), ("pic", 64)]
)
def test_a_picture_takes_no_other_files_place(name, code, volume, here, capsys):
    (here / "p.png").symlink_to(volume)  # the volume under a name that looks right
    whole, before = volume.read_bytes(), files(here)
    assert main(["view", "v.h5", "-o", name, "--overwrite"]) == code
    assert "expected" in capsys.readouterr().err
    assert volume.read_bytes() == whole and files(here) == before


def test_a_raw_scan_is_no_volume_to_look_at(scan, here, capsys):
    before = files(here)
    assert main(["view", "scan.h5"]) == 65
    assert "physrecon recon" in capsys.readouterr().err
    assert files(here) == before


def test_nothing_of_a_picture_is_cut_off(here, capsys):
    from matplotlib.image import imread

    values = np.linspace(0, 1e-4, 3 * 40 * 40).reshape(3, 40, 40)  # wide labels on all sides
    for name, unit in (("a", "mm"), ("b", None)):
        with h5py.File(f"{name}.h5", "w") as file:
            data = file.create_dataset("entry/reconstruction/results/data", data=values)
            data.attrs["voxel_size"] = (1.0, 11.7, 11.7)
            if unit:
                data.attrs["length_unit"] = unit
        for axis in "zyx":
            assert main(["view", f"{name}.h5", "-o", f"{name}{axis}.png", "--axis", axis]) == 0
            pixels = imread(f"{name}{axis}.png")[..., :3]
            for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
                assert (edge == 1).all()


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
    few = write_scan(here / "few.h5", views=4, theta=np.arange(4) * 1.0)
    for path in (scan, few):
        assert main(["plan", str(path)]) == 0
        assert "warning" not in capsys.readouterr().err


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
    "a tiff": ({}, ["-o", "v.tif"], 64, "v.h5"),
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


def test_a_linked_file_is_an_input_too(scan, here, capsys):
    with h5py.File("master.h5", "w") as file:
        file["exchange"] = h5py.ExternalLink("scan.h5", "/exchange")
    whole = scan.read_bytes()
    assert main(["recon", "master.h5", "-o", "scan.h5", "--overwrite"]) == 73
    assert scan.read_bytes() == whole


def test_methods_that_disagree_are_not_said_to_agree(capsys):
    from physrecon.pipeline.messages import Report
    from physrecon.pipeline.scan.resolve import say_axis
    from physrecon.preprocess.rotation_axis import Center

    for apart, agrees in ((0.2, True), (4.8, False)):
        columns = {"correlation": 20.0, "mass": 20.0 + apart}
        say_axis(Center(20.0, columns, apart, agrees), Report())
        assert (", agreement of two" in capsys.readouterr().out) == agrees


def test_a_terminal_is_told_why_the_solver_stopped(scan, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    argv = ["recon", "scan.h5", "-o", "v.h5", "--method", "cgls", "--iterations", "3"]
    assert main([*argv, "--center", "22.3"]) == 0
    last = sys.stderr.getvalue().replace("\r", "\n").rstrip().splitlines()[-1]
    assert last.startswith("stopped at the limit of 3 iterations")


def test_a_device_that_is_absent_is_seen_before_the_demo_writes(here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert main(["demo", "--device", "cuda"]) == 69
    assert not files(here / "physrecon-demo")


def test_a_stream_without_our_characters_is_no_error(scan, monkeypatch):
    for encoding in ("ascii", "latin-1"):
        plain = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(plain, encoding))
        assert main(["recon", "scan.h5", "-o", f"{encoding}.h5"]) == 0
        sys.stdout.flush()
        assert b"90 views over" in plain.getvalue()


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


def test_help_names_the_phantoms(capsys):
    main(["simulate", "--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in catalog.PHANTOMS)


@pytest.mark.parametrize(
    "argv, code, words",
    [
        (["recon", "s.h5", "-o", "v.h5", "--method", "gd", "--set", "solver.step=inf"], 64, "inf"),
        (["recon", "job.toml", "-o", "v.h5"], 64, "physrecon run job.toml"),
        (["run", "binary.h5"], 78, "physrecon recon"),
        (["run", "negative.toml"], 78, "4GB"),
        (["run", "typos.toml"], 78, "did you mean method"),
    ],
)
def test_an_error_is_short(argv, code, words, here, capsys):
    (here / "binary.h5").write_bytes(b"\x89HDF\r\n")
    io_lines = 'input = "s.h5"\noutput = "v.h5"\n'
    (here / "negative.toml").write_text(f"{io_lines}memory = -4\n")
    (here / "typos.toml").write_text(f"{io_lines}methd = 'fbp'\nxyzzy = 1\nplugh = 2\n")
    assert main(argv) == code
    err = capsys.readouterr().err
    assert words in err and "codec" not in err
    assert err.count("nonnegative") <= 1 and err.count("solver.step") <= 1
    assert max(map(len, err.splitlines())) < 260


def test_a_hint_can_be_pasted(here, capsys):
    write_scan(here / "scan.h5")
    assert main(["recon", "scan.h5", "-o", "my volume.h5"]) == 0
    assert "physrecon view 'my volume.h5'" in capsys.readouterr().out


def test_missing_darks_are_told_once(here, capsys):
    write_scan(here / "scan.h5", remove=["data_dark"])
    assert main(["recon", "scan.h5", "-o", "v.h5"]) == 0
    assert capsys.readouterr().err.count("dark") == 1


def test_sigterm_before_the_first_slab_asks_for_another_run(scan, here, capsys, monkeypatch):
    import os
    import signal

    from physrecon.pipeline.scan import task

    monkeypatch.setattr(task, "find_axis", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    assert main(["recon", "scan.h5", "-o", "v.h5"]) == 75
    assert "run it again" in capsys.readouterr().err
    assert files(here) == {"scan.h5"}
