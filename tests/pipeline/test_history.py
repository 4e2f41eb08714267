"""The convergence of a run as a table and as a picture."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from discs import write_scan
from interruption import Steps

import physrecon as pr
from physrecon.cancellation import cancel_on_signals
from physrecon.cli.main import main
from physrecon.errors import Interrupted
from physrecon.io import write_image
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.history import History
from physrecon.pipeline.run import run
from physrecon.solvers.result import Record

SIRT = {"method": "sirt", "center": 22.3}
ARGV = "recon scan.h5 -o v.h5 --center 22.3 --method cgls --iterations 5 --slab-rows 2"
ARGV = ARGV.split()  # two slabs


def rows(path="c.csv"):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return [*csv.reader(file)]


def test_every_iteration_of_every_slab_has_a_row(here, capsys):
    write_scan("scan.h5")
    assert main([*ARGV, "--history", "c.png"]) == 0
    head, *found = rows()
    assert head == ["slab", "iteration", "f", "change", "active", "seconds"]
    assert [(int(r[0]), int(r[1])) for r in found] == [(s, k) for s in (0, 1) for k in range(1, 6)]
    assert Path("c.png").read_bytes().startswith(b"\x89PNG")
    values = [float(r[2]) for r in found if r[0] == "0"]
    assert values == sorted(values, reverse=True)  # CGLS lowers ‖Ax − y‖² in every iteration
    assert [r[4] for r in found] == ["2"] * 5 + ["1"] * 5  # slices that moved
    assert main([*ARGV[:3], "w.h5", *ARGV[4:], "--history", "c.png"]) == 73
    assert "c.csv: expected a new file" in capsys.readouterr().err


def test_the_values_of_a_frame_fall(here):
    y = np.random.default_rng(0).poisson(np.full((20, 20), 60.0)).astype("f4")
    write_image("i.tif", y, "YX")
    argv = ["deconvolve", "i.tif", "--psf", "gaussian:sigma=1", "--method", "landweber"]
    assert main([*argv, "--iterations", "6", "-o", "o.tif", "--history", "c.csv"]) == 0
    assert not Path("c.png").exists()
    head, *found = rows()
    assert head[0] == "frame" and len(found) == 6
    values = [float(r[2]) for r in found]
    assert values == sorted(values, reverse=True) and all(float(r[3]) > 0 for r in found)


def test_what_a_method_does_not_know_is_empty(here):
    job = ScanJob.build({"input": "s.h5", "output": "v.h5", "history": "c.png"} | SIRT, "test")
    history = History(job, "slab", 1)
    unknown = [Record(1, math.nan, math.inf, 3, 0.1), Record(2, math.nan, 0.5, 3, 0.2)]
    history.add(0, unknown)
    history.draw()
    assert rows()[1:] == [["0", "1", "", "", "3", "0.100"], ["0", "2", "", "0.5", "3", "0.200"]]
    assert Path("c.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_was_stopped_continues_its_table(here):
    write_scan("scan.h5")
    values = {"input": "scan.h5", "output": "v.h5", "center": 22.3, "method": "sirt"}
    values |= {"stop": {"iterations": 6}, "slab_rows": 2, "history": "c.csv"}
    job = ScanJob.build(values, "test")
    with cancel_on_signals(), pytest.raises(Interrupted):
        run(job, Steps(9))  # in the third iteration of the second slab
    assert len(rows()) == 1 + 9
    run(job, Steps())
    found = [(int(r[0]), int(r[1])) for r in rows()[1:]]
    assert found == [(s, k) for s in (0, 1) for k in range(1, 7)]
    with pr.open_volume("v.h5") as volume:
        assert "stopped" in volume.configuration


def test_a_direct_method_has_no_history(here, capsys):
    write_scan("scan.h5")
    assert main([*["recon", "scan.h5", "-o", "v.h5", "--history", "c.csv"]]) == 64
    assert "history: expected an iterative method" in capsys.readouterr().err
    assert main([*ARGV, "--history", "c.txt"]) == 64
    assert ".csv or .png" in capsys.readouterr().err
