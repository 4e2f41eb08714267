"""Single signals at random moments of real jobs: what becomes of them.

    python tests/long/signals.py [--count 500] [--seed N] [--workers 2] [--from-start]

A job is started, and SIGINT or SIGTERM is sent once, at a moment drawn evenly from the time that
the job takes undisturbed.  The clock starts when the program has installed its handlers, which
/proc tells; with --from-start it starts with the process, so that the start of Python is hit too.

lost        neither the end with 75 within 10 s, nor an end with 0 within --finishing seconds
crash       ended by a signal of its own, such as SIGSEGV
traceback   Python's, or "Exception ignored", on the terminal
torn        OUT is there and differs from that of an undisturbed run, or 0 without it
leftovers   files beside the input, OUT, its finished pieces and its lock
early       ended by the signal itself, before the handlers were there (only with --from-start)

Exits 1 unless all but the last are 0."""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

import physrecon as pr
from physrecon.datasets import simulate_scan

WITHIN = 10.0  # seconds from the signal to the end
MARGIN = 1.1  # of the time in which a job is hit: with others beside it, it takes longer
KINDS = ("lost", "crash", "traceback", "torn", "leftovers", "early")
FINE = ("stopped", "finished")
INPUTS = ("scan.h5", "small.tif", "series.tif")
WHOLE: dict[str, bytes] = {}  # the voxels of an undisturbed run
JOBS = {  # OUT and the options that make it
    "fbp": "recon scan.h5 -o v.h5 --slab-rows 4",
    "fbp, one slab": "recon scan.h5 -o v.h5",
    "sirt": "recon scan.h5 -o v.h5 --slab-rows 8 --method sirt --iterations 4",
    "rl, series": "deconvolve series.tif --psf gaussian:sigma=2 -o s.tif --iterations 10",
    "weight": "deconvolve small.tif --psf gaussian:sigma=2 -o w.tif --prior smooth --iterations 10",
}


class Trial(NamedTuple):
    job: str
    number: signal.Signals
    moment: float
    kind: str
    code: int
    lag: float  # seconds from the signal to the end
    text: str


def make_inputs(folder: Path) -> None:
    simulate_scan(folder / "scan.h5", (24, 128, 128), 180)
    rng = np.random.default_rng(0)
    frames = rng.poisson(100 * rng.random((4, 256, 256)) ** 8).astype(np.float32)
    pr.write_image(folder / "series.tif", frames, "TYX")
    pr.write_image(folder / "small.tif", frames[0, :32, :32], "YX")


def start(folder: Path, job: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "physrecon", *JOBS[job].split(), "--threads", "1"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def output_of(folder: Path, job: str) -> Path:
    words = JOBS[job].split()
    return folder / words[words.index("-o") + 1]


def voxels_of(path: Path) -> bytes:
    opened = pr.open_volume if path.suffix == ".h5" else pr.open_image
    with opened(path) as values:
        return np.asarray(values[...]).tobytes()


def undisturbed(inputs: Path, job: str) -> tuple[float, bytes]:
    """Seconds, and the voxels of OUT; the first run compiles what is not compiled yet."""
    for _ in range(2):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(shutil.copytree(inputs, place, dirs_exist_ok=True))
            began = time.monotonic()
            process = start(folder, job)
            _, text = process.communicate()
            seconds = time.monotonic() - began
            if process.returncode:
                raise SystemExit(f"{job}: {text}")
            result = voxels_of(output_of(folder, job))
    return seconds, result


def await_handlers(process: subprocess.Popen[str]) -> None:
    """Wait until the process catches SIGTERM, as /proc states."""
    status = Path(f"/proc/{process.pid}/status")
    bit = 1 << (signal.SIGTERM - 1)
    while process.poll() is None:
        caught = next((x for x in status.read_text().splitlines() if "SigCgt" in x), "SigCgt: 0")
        if int(caught.split()[1], 16) & bit:
            return
        time.sleep(0.002)


def attempt(
    inputs: Path, job: str, number: signal.Signals, moment: float, options: argparse.Namespace
) -> Trial:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(inputs, place, dirs_exist_ok=True))
        process = start(folder, job)
        if not options.from_start:
            await_handlers(process)
        time.sleep(moment)
        process.send_signal(number)
        sent = time.monotonic()
        try:
            _, text = process.communicate(timeout=WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            _, text = process.communicate()
        lag, code = time.monotonic() - sent, process.returncode
        if options.from_start and code in (-number, 1, 130):
            kind = "early"
        elif "Traceback" in text or "Exception ignored" in text:
            kind = "traceback"
        elif code < 0 and lag < WITHIN:
            kind = "crash"
        elif code == 75 or (code == 0 and lag < options.finishing):
            kind = files_left(folder, job, code == 0)
        else:
            kind = "lost"
        return Trial(job, number, moment, kind, code, lag, text)


def files_left(folder: Path, job: str, finished: bool) -> str:
    output = output_of(folder, job)
    if output.exists() != finished or (finished and voxels_of(output) != WHOLE[job]):
        return "torn"
    known = {*INPUTS, output.name, f".{output.name}.lock", f"{output.name}.slabs"}
    if not finished:
        known |= {f"{output.name}.frames", f"{output.name}.state"}
    parts = [path for path in folder.rglob("*") if path.parent != folder and path.is_file()]
    odd = [path for path in parts if path.name != "job.json" and not path.stem.isdigit()]
    strangers = {path.name for path in folder.iterdir()} - known
    return "leftovers" if odd or strangers else ("finished" if finished else "stopped")


def main() -> int:
    style = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--finishing", type=float, default=2.0, help="2; more on a busy machine")
    parser.add_argument("--from-start", action="store_true")
    options = parser.parse_args()
    # A shell starts jobs in the background with Ctrl-C ignored, and their programs inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print(f"seed {options.seed}, {options.count} signals", flush=True)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(options.workers) as pool:
        inputs = Path(place)
        make_inputs(inputs)
        seconds = {}
        for job in JOBS:
            seconds[job], WHOLE[job] = undisturbed(inputs, job)
        trials = []
        for i in range(options.count):
            job = list(JOBS)[i % len(JOBS)]
            number = rng.choice([signal.SIGINT, signal.SIGTERM])
            moment = rng.uniform(0, MARGIN * seconds[job])
            trials.append(pool.submit(attempt, inputs, job, number, moment, options))
        done: list[Trial] = []
        try:
            for trial in trials:
                done.append(trial.result())
                if len(done) % 50 == 0:
                    print(f"{len(done)} signals", flush=True)
                if done[-1].kind not in FINE:
                    print(*done[-1][:-1], done[-1].text, sep="  ", flush=True)
        except KeyboardInterrupt:  # a table of what is done
            pool.shutdown(cancel_futures=True)
    print(table(done, seconds))
    return any(trial.kind in KINDS[:-1] for trial in done)


def table(trials: list[Trial], seconds: dict[str, float]) -> str:
    columns = (*FINE, *KINDS)
    lines = [f"{'job':16}{'seconds':>8}" + "".join(f"{c:>11}" for c in (*columns, "latest"))]
    for job in (*JOBS, "all"):
        some = [t for t in trials if job in (t.job, "all")]
        counts = Counter(t.kind for t in some)
        latest = max((t.lag for t in some), default=0.0)
        numbers = "".join(f"{counts[c]:11d}" for c in columns)
        lines.append(f"{job:16}{seconds.get(job, 0):8.1f}{numbers}{latest:11.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
