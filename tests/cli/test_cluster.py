"""The script for SLURM in the guide, with stand-ins for the commands of SLURM."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import physrecon as pr

pytestmark = pytest.mark.thorough

PAGE = Path(__file__).resolve().parents[2] / "docs/guide/cluster.md"
SRUN = '#!/bin/sh\nshift\nexec "$@"\n'  # without its only option
SCONTROL = '#!/bin/sh\necho "$@" >> scontrol.log\n'
# The program, to which SIGTERM is sent at iteration 20 while there is a file `stop`.
PROGRAM = f"""#!{sys.executable}
import os, signal, sys
from pathlib import Path
from physrecon import __main__
from physrecon.solvers import sirt

advance = sirt.SIRT.advance
def stopped(self, problem, state):
    if state.iteration == 20 and Path("stop").exists():
        Path("stop").unlink()
        os.kill(os.getpid(), signal.SIGTERM)
    return advance(self, problem, state)
sirt.SIRT.advance = stopped
sys.exit(__main__.program())
"""
JOB = 'input = "scan.h5"\noutput = "{}"\nmethod = "sirt"\ncenter = 7.5\n[stop]\niterations = 40\n'


@pytest.fixture
def submit(tmp_path):
    """A function that runs the script of the page in a folder with a scan."""
    for name, text in {"srun": SRUN, "scontrol": SCONTROL, "physrecon": PROGRAM}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    script = re.findall(r"```bash\n(#!.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    counts = np.random.default_rng(0).integers(400, 1000, (30, 2, 16)).astype(np.uint16)
    flats = np.full((2, 2, 16), 1000, np.uint16)
    pr.write_scan(tmp_path / "scan.h5", counts, np.arange(0, 180, 6), flats=flats)
    slurm = {"SLURM_CPUS_PER_TASK": "1", "SLURM_JOB_ID": "7"}
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    def run(output, **more):
        (tmp_path / "job.toml").write_text(JOB.format(output))
        environment = os.environ | slurm | {"PATH": path} | more
        command = ["bash", "-c", script]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )

    return run


def test_a_job_that_is_stopped_is_queued_again_and_goes_on(submit, tmp_path):
    (tmp_path / "stop").touch()
    first = submit("v.h5")
    assert first.returncode == 75, first.stderr
    said = "error: v.h5: stopped, iteration 21 of the slab in work is kept in v.h5.state; run the "
    assert said in first.stderr
    assert (tmp_path / "scontrol.log").read_text() == "requeue 7\n"
    second, third = submit("v.h5"), submit("v.h5")
    assert (second.returncode, third.returncode) == (0, 0), second.stderr
    assert "v.h5.state: going on after iteration 21" in second.stderr
    assert "done already" in third.stdout
    assert submit("undisturbed.h5").returncode == 0
    volumes = [pr.open_volume(tmp_path / n)[:].tobytes() for n in ("v.h5", "undisturbed.h5")]
    assert volumes[0] == volumes[1]
    assert (tmp_path / "scontrol.log").read_text() == "requeue 7\n"


def test_a_job_that_never_ends_is_not_queued_for_ever(submit, tmp_path):
    (tmp_path / "stop").touch()
    assert submit("v.h5", SLURM_RESTART_COUNT="20").returncode == 75
    assert not (tmp_path / "scontrol.log").exists()
