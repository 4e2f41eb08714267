"""How much a command says, where, and when."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from physrecon.cli.main import main
from physrecon.demos import deconvolution, tomography
from physrecon.pipeline.messages import Messages

RECON = "recon scan.h5 -o v.h5 --center 22.3 --method sirt --iterations 3 --slab-rows 1"
RECON = RECON.split()  # three slabs
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


def test_without_a_terminal_every_piece_has_a_line_with_its_time(scan, capsys):
    assert main(RECON) == 0
    err = capsys.readouterr().err
    lines = err.splitlines()
    slabs = [line for line in lines if re.match(rf"{STAMP} recon \d/3 slices  ", line)]
    assert len(slabs) == 3, err
    assert "stopped at the limit of 3 iterations" in slabs[0]


def test_quiet_leaves_results_and_warnings(scan, here, capsys):
    assert main([*RECON, "-q"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].startswith("v.h5: (3, 48, 48)") and err == ""
    assert main(["recon", "nothing.h5", "-q"]) == 66
    assert capsys.readouterr().err.startswith("error: nothing.h5")


def test_an_error_is_printed_once():
    command = [sys.executable, "-m", "physrecon", "info", "x.h5", "--wrong"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 64 and said.stdout == ""
    assert said.stderr.count("--wrong") == 1 and said.stderr.startswith("error: info: expected")


def test_quiet_draws_no_bar(scan, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main([*RECON, "--quiet"]) == 0
    assert "██" not in capsys.readouterr().err


def test_verbose_adds_the_plan(scan, capsys):
    assert main([*RECON, "-v"]) == 0
    err = capsys.readouterr().err
    assert "method: sirt, 3 iterations" in err and "memory: " in err and "3 slabs of 1" in err


def test_a_log_has_everything_with_dates(scan, here, capsys):
    assert main([*RECON, "-q", "--log", "run.log"]) == 0
    assert main([*RECON[:2], "-o", "nowhere/v.h5", "--log", "run.log"]) == 73
    lines = (here / "run.log").read_text(encoding="utf-8").splitlines()
    assert all(re.match(rf"{STAMP},\d\d\d (INFO|WARNING|ERROR) ", line) for line in lines)
    text = "\n".join(lines)
    assert "INFO physrecon recon scan.h5 -o v.h5" in text and "recon 3/3 slices" in text
    assert "INFO v.h5: (3, 48, 48) float32" in text and "ERROR nowhere/v.h5: expected" in text
    assert "method: sirt" not in text  # a detail
    capsys.readouterr()
    assert main(["info", "scan.h5", "--log", "no/run.log"]) == 73
    assert "log: expected a file that can be written" in capsys.readouterr().err


def test_a_log_on_a_full_disk_ends_no_run(scan, capsys):
    assert main(["info", "scan.h5", "--log", "/dev/full"]) == 0
    assert capsys.readouterr().err.count("the log ends") == 1


@pytest.mark.parametrize("command", ["recon", "plan", "info", "find-center", "view", "demo"])
def test_all_commands_take_the_same_words(command, capsys):
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("-q, --quiet", "-v, --verbose", "--log FILE", "--debug"))
    given = [] if command == "demo" else ["x"]
    assert main([command, *given, "-q", "-v"]) == 64
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize("demo", [tomography, deconvolution])
def test_the_first_line_of_a_demo_fits_a_terminal(demo, here, capsys, monkeypatch):
    folder = here / "physrecon-demo"
    folder.mkdir()
    size, small = demo.SHAPE, (3, 15, 15)
    monkeypatch.setattr(demo, "SHAPE", small)
    monkeypatch.setattr(demo, "PSF_SHAPE", small, raising=False)
    demo.DEMO.simulate(folder.relative_to(here), Messages())
    line = capsys.readouterr().out.splitlines()[0]
    assert len(line.replace(str(small), str(size))) <= 80
