"""Kills at random moments of jobs of one piece: the work that is lost, and the bytes at the end.

    python tests/long/resume.py [--count 10] [--seed N] [--jobs sirt,fista-tv]

A job is started and killed at random moments, by SIGTERM and SIGKILL in turn, until it ends by
itself.  Every process writes down when it finished which iteration.  Lost is the time between the
last iteration before a kill, and the one that the next process goes on from.

Exits 1 if OUT differs from that of an undisturbed run, if a SIGTERM loses more than 60 s or does
not end with 75, if a SIGKILL loses more than 10 minutes, or if OUT.state stays behind."""

from __future__ import annotations

import argparse
import hashlib
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

import physrecon as pr
from physrecon.datasets import simulate_scan

MOST = {signal.SIGTERM: 60.0, signal.SIGKILL: 600.0}  # seconds that may be lost
JOBS = {
    "sirt": "recon scan.h5 -o o.h5 --method sirt --iterations 300",
    "fista-tv": "recon scan.h5 -o o.h5 --prior tv --weight 0.1 --iterations 150",
    "rl": "deconvolve image.tif --psf gaussian:sigma=2 -o o.h5 --iterations 200",
    "image fista-tv": (
        "deconvolve image.tif --psf gaussian:sigma=2 -o o.h5 --method fista --prior tv "
        "--weight 1 --iterations 150"
    ),
}
# The program, which writes down its iterations and keeps its state as often as it is told.
PROGRAM = """
import sys, time
from physrecon.pipeline import kept_work, work
kept_work.LEAST = float(sys.argv.pop(1))
after = kept_work.KeptWork.after
def noted(self, state):
    with open("iterations", "a") as file:
        print(time.time(), state.iteration, file=file)
    return after(self, state)
kept_work.KeptWork.after = noted
from physrecon.cli.main import main
sys.exit(main(None))
"""


class Stop(NamedTuple):
    number: signal.Signals
    code: int
    done: list[tuple[float, int]]  # (time, iteration)
    lag: float


class Kill(NamedTuple):
    number: signal.Signals
    code: int
    reached: int  # iteration before the kill
    kept: int  # iteration that the next process went on from
    lost: float  # seconds between them
    lag: float  # seconds from the signal to the end


def make_inputs(folder: Path, size: int) -> None:
    simulate_scan(folder / "scan.h5", (1, size, size), 360)
    y = np.random.default_rng(0).poisson(100 * np.random.default_rng(1).random((size, size)) ** 8)
    pr.write_image(folder / "image.tif", y.astype(np.float32), "YX")


def start(folder: Path, job: str, every: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROGRAM, str(every), *JOBS[job].split()]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=log)


def failure(folder: Path, job: str, code: int) -> SystemExit:
    return SystemExit(f"{job}: exit {code}\n{(folder / 'log').read_text()}")


def iterations(folder: Path) -> list[tuple[float, int]]:
    path = folder / "iterations"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [(float(t), int(k)) for t, k in (line.split() for line in lines if line.count(" "))]


def undisturbed(inputs: Path, job: str, every: float) -> tuple[float, str]:
    """Seconds, and the digest of OUT; the first of two runs compiles."""
    for _ in range(2):
        folder = fresh(inputs)
        began = time.monotonic()
        code = start(folder, job, every).wait()
        if code:
            raise failure(folder, job, code)
        seconds = time.monotonic() - began
    return seconds, digest(folder)


def fresh(inputs: Path) -> Path:
    """A folder that holds the inputs alone.  Its name is the same: OUT states it."""
    folder = inputs.parent / "run"
    shutil.rmtree(folder, ignore_errors=True)
    return Path(shutil.copytree(inputs, folder))


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "o.h5").read_bytes()).hexdigest()


def disturbed(
    folder: Path, job: str, every: float, seconds: float, rng: random.Random
) -> Iterator[Kill]:
    """Yield the kills, but none before the first iteration, until OUT is there."""
    last: Stop | None = None
    number = rng.choice([*MOST])
    while True:
        process = start(folder, job, every)
        try:
            process.wait(rng.uniform(0.3, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        sent = time.monotonic()
        process.wait()
        lag, done = time.monotonic() - sent, iterations(folder)
        if last and done:
            yield lost(last, done[0][1] - 1)
        if done:
            last = Stop(number, process.returncode, done, lag)
        if process.returncode == 0:
            return
        if (folder / "o.h5").exists():  # killed between the rename of OUT and the end
            (folder / "o.h5.state").unlink(missing_ok=True)
            return
        early = process.returncode == -signal.SIGTERM and not done  # Python was still loading
        if process.returncode not in (75, -signal.SIGKILL) and not early:
            raise failure(folder, job, process.returncode)
        number = next(other for other in MOST if other is not number)


def lost(stop: Stop, kept: int) -> Kill:
    """What a kill has cost, after which the next process went on from iteration `kept`."""
    done = stop.done
    first = done[0][0] - (done[1][0] - done[0][0] if done[1:] else 0)
    at = next((t for t, k in reversed(done) if k <= kept), first)
    return Kill(stop.number, stop.code, done[-1][1], kept, done[-1][0] - at, stop.lag)


def main() -> int:
    style = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--count", type=int, default=10, help="disturbed runs of each job")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two states")
    parser.add_argument("--size", type=int, default=512, help="columns of the slice, of the image")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    rng, bad = random.Random(options.seed), 0
    with tempfile.TemporaryDirectory() as place:
        inputs = Path(place) / "inputs"
        inputs.mkdir()
        make_inputs(inputs, options.size)
        for job in options.jobs.split(","):
            seconds, wanted = undisturbed(inputs, job, options.every)
            kills: list[Kill] = []
            for _ in range(options.count):
                folder = fresh(inputs)
                for kill in disturbed(folder, job, options.every, seconds, rng):
                    kills.append(kill)
                    print(f"  {job}: {kill}", flush=True)
                bad += digest(folder) != wanted or (folder / "o.h5.state").exists()
            for kill in kills:
                wrong = kill.number is signal.SIGTERM and kill.code not in (75, 0)
                bad += kill.lost > MOST[kill.number] or wrong
            print(f"{job}: {seconds:.1f} s undisturbed, {options.count} runs, {len(kills)} kills")
            print(f"  bad so far: {bad}", flush=True)
            for number in MOST:
                of = [kill for kill in kills if kill.number is number]
                if of:
                    most = max(of, key=lambda kill: kill.lost)
                    gone = max(kill.reached - kill.kept for kill in of)
                    print(
                        f"  {number.name}: {len(of)}, lost at most {most.lost:.2f} s, "
                        f"{gone} iterations; ended after {max(k.lag for k in of):.2f} s at most"
                    )
    print("bad:", bad)
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
