"""Options, names and job files: what is said to a wrong word."""

from __future__ import annotations

import resource
import subprocess
import sys

import h5py
import numpy as np
import pytest
from discs import COLUMNS
from listing import files

import physrecon as pr
from physrecon import catalog
from physrecon.cli.main import main

HEAVY = ("numpy", "numba", "h5py", "scipy", "matplotlib", "pydantic", "tqdm")


# Words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv, words",
    [
        (["recn"], ["recon", "find-center", "did you mean recon"]),
        (["recon"], ["SCAN"]),
        (["deconvolve", "s.tif"], ["--psf"]),
        (["recon", "s", "-o", "v", "--itertions", "3"], ["did you mean --iterations"]),
        (["recon", "s", "-o", "v", "--iter", "3"], ["did you mean --iterations?\n"]),
        (["recon", "s", "-o", "v", "--cor", "3"], ["did you mean --center?\n"]),
        (["recon", "s", "-o", "v", "--lambda", "3"], ["did you mean --weight?\n"]),
        (["recon", "s", "-o", "v", "--tv"], ["did you mean --prior tv?\n"]),
        (["recon", "s", "-o", "v", "--sirt"], ["did you mean --method sirt?\n"]),
        (["recon", "s", "-o", "v", "--method", "tv"], ["did you mean prior tv?\n"]),
        (["recon", "s", "-o", "v", "--method", "gridrec"], ["did you mean fbp?\n"]),
        (["recon", "s", "-o", "v", "--method", "SIRT"], ["did you mean sirt?\n"]),
        (["recon", "s", "-o", "v", "--prior", "cgls"], ["did you mean method cgls?\n"]),
        (["recon", "s", "-o", "v", "--set", "prior=l2"], ["did you mean tikhonov?\n"]),
        (["help", "recn"], ["did you mean recon"]),
        (["recon", "s", "-o", "v", "--filter", "ramlak"], ["did you mean ram-lak?", "hann"]),
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
        (
            ["simulate", "x.h5", "--size", "64"],
            ["known option, got '--size'; did you mean --shape?"],
        ),
        (["simulate", "--sape", "3,4,5"], ["did you mean --shape"]),
        (["simulate", "-o", "s", "--views", "9"], ["simulate --shape: expected a value, got none"]),
        (["try", "s.h5"], ["try --vary: expected a value, got none"]),
        (["info"], ["info FILE: expected a value, got none"]),
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


@pytest.mark.parametrize(
    "psf, code",
    [
        *(("gausian", 64), ("gausian:sigma=2", 64), ("gaussian:sgma=2", 64), ("gaussian", 64)),
        *(("gaussian:2", 64), ("psf.tif", 66)),
    ],
)
def test_a_wrong_psf_is_answered_with_the_way_to_the_list(psf, code, here, capsys):
    pr.write_image("i.tif", np.ones((9, 9)), "YX")
    assert main(["deconvolve", "i.tif", "--psf", psf]) == code
    assert "`physrecon deconvolve --psf list` shows models" in capsys.readouterr().err
    assert files(here) == {"i.tif"}


def test_the_help_of_psf_names_the_list(capsys):
    assert main(["deconvolve", "--help"]) == 0
    assert "`--psf list` shows models" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "argv",
    ["--help", "recon --help", "--version", "", "help", "help recon", "deconvolve --psf list"],
)
def test_help_goes_to_stdout(argv, capsys):
    assert main(argv.split()) == 0
    out, err = capsys.readouterr()
    assert out and err == ""


def test_help_of_a_command_has_two_names(capsys):
    texts = [
        capsys.readouterr().out
        for argv in ("help recon", "recon --help")
        if main(argv.split()) == 0
    ]
    assert texts[0] == texts[1] != ""


def test_the_version_names_the_libraries(capsys):
    assert main(["--version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"physrecon {pr.__version__}"
    assert f"  numpy {np.__version__}" in lines and f"  h5py {h5py.__version__}" in lines


def test_the_list_of_psf_models_has_their_parameters(capsys):
    assert main(["deconvolve", "--psf", "list"]) == 0
    out = capsys.readouterr().out
    for model in catalog.PSF_MODELS:
        assert f"\n{model}  (" in out
    assert "\n    sigma  length\n" in out and "angle_unit  deg or rad" in out


@pytest.mark.parametrize(
    "line, heavy, limit",
    [
        ("--help", {*HEAVY}, 0.3),
        ("recon s -o v --filter ramlak", {*HEAVY} - {"pydantic"}, 0.6),
        ("deconvolve i --psf p -o o --background -3", {*HEAVY} - {"pydantic"}, 0.6),
    ],
)
def test_help_and_usage_errors_answer_at_once(line, heavy, limit):
    program = (
        "import sys; from physrecon.cli.main import main; main(sys.argv[1:]);"
        f"sys.exit(bool({heavy} & {{*sys.modules}}))"
    )
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", program, *line.split()], capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert done.returncode == 0, "something heavy was imported"
    assert min(times) < limit


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
