"""The time that a run states after its first iterations, against the time that it takes.

    nice -n -10 python benchmarks/stated_time.py [--skip 0] [--runs 30] [--seconds 10]

30 jobs over methods, sizes, priors and cuts into slabs.  Each is a process of its own, and writes
its log; kernels are compiled beforehand.  Stated is the line that ends in `about …`, and a line
before it that ends in `at most …`; measured is the time of the bar at its end, reading and writing
included.  A bound is counted by itself: it is kept if the run took no longer."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import physrecon as pr
from physrecon.datasets import simulate_scan

SCANS = {
    "1x256": ((1, 256, 256), 256),
    "1x512": ((1, 512, 512), 360),
    "24x192": ((24, 192, 192), 180),
}
METHODS = {  # options, and the iterations that take about 10 s on two cores
    "sirt": ("--method sirt", {"1x256": 500, "1x512": 200, "24x192": 100}),
    "cgls": ("--method cgls", {"1x256": 500, "1x512": 200, "24x192": 60}),
    "fista-tv": ("--prior tv --weight 0.1", {"1x256": 200, "1x512": 60, "24x192": 20}),
    "pdhg-tv": ("--prior tv --weight 0.1 --method pdhg", {"1x256": 300, "1x512": 90, "24x192": 30}),
    "lbfgs": (
        "--prior smooth --weight 1 --method lbfgs", {"1x256": 200, "1x512": 80, "24x192": 50}
    ),
    "sirt, slabs": ("--method sirt --slab-rows 6", {"24x192": 60}),
    "fista-tv, slabs": ("--prior tv --weight 0.1 --slab-rows 6", {"24x192": 20}),
    "fista-tv, converged": ("--prior tv --weight 0.3", {"1x256": 0, "24x192": 0}),
    "fista, smooth": ("--prior smooth --weight 10 --method fista", {"1x256": 0, "1x512": 0}),
}  # fmt: skip
IMAGES = {"512x512": (512, 512), "16x256x256": (16, 256, 256), "5 of 256x256": (5, 256, 256)}
SHARPENERS = {
    "rl": ("--iterations {n}", {"512x512": 1500, "16x256x256": 500, "5 of 256x256": 1700}),
    "rl-tv": (
        "--prior tv --weight 0.01 --method rl --iterations {n}",
        {"512x512": 1500, "16x256x256": 250, "5 of 256x256": 900},
    ),
    "fista-tv": (
        "--prior tv --weight 1 --method fista --iterations {n}",
        {"512x512": 400, "16x256x256": 15, "5 of 256x256": 280},
    ),
}
STATED = re.compile(r"(about|at most) ([\d.]+ \w+(?: \d+ min)?)(?:, (?:at most|less) .*)?$", re.M)
TAKEN = re.compile(r"(?:recon|deconvolve) (\d+)/\1 \w+  ([\d.]+ (?:s|min|h)(?: \d+ \w+)?)")
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def commands(seconds: float) -> dict[str, str]:
    """name → options, for about so many seconds a run."""
    found = {}
    for name, (options, sizes) in METHODS.items():
        for size, count in sizes.items():
            many = f" --iterations {max(int(count * seconds / 10), 3)}" if count else ""
            found[f"{name}, {size}"] = f"recon {size}.h5 -o o.h5 {options}{many}"
    for name, (options, sizes) in SHARPENERS.items():
        for size, count in sizes.items():
            many = options.format(n=max(int(count * seconds / 10), 3))
            found[f"{name}, {size}"] = (
                f"deconvolve '{size}.tif' --psf gaussian:sigma=2 -o o.tif {many}"
            )
    return found


def make_inputs(folder: Path) -> None:
    for name, (shape, views) in SCANS.items():
        simulate_scan(folder / f"{name}.h5", shape, views)
    for name, shape in IMAGES.items():
        rng = np.random.default_rng(0)
        y = rng.poisson(100 * rng.random(shape) ** 8).astype(np.float32)
        axes = "YX" if len(shape) == 2 else "TYX" if " of " in name else "ZYX"
        pr.write_image(folder / f"{name}.tif", y, axes)


def log_of(folder: Path, options: str) -> str:
    command = f"{sys.executable} -m physrecon {options} --overwrite"
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{options}: {done.stderr}")
    return done.stderr


def in_seconds(text: str) -> float:
    words = text.split()
    return sum(float(n) * UNITS[unit] for n, unit in zip(words[::2], words[1::2], strict=True))


def main() -> None:
    style = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--skip", type=int, default=0, help="of the runs, the first")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=10.0, help="of a run, about")
    options = parser.parse_args()
    ratios, bounds = [], []
    print(f"{'job':34}{'stated':>20}{'measured':>12}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_inputs(folder)
        for name, line in list(commands(options.seconds).items())[options.skip :][: options.runs]:
            log_of(folder, re.sub(r"--iterations \d+", "", line) + " --iterations 3")  # compiles
            log = log_of(folder, line)
            found, taken = list(STATED.finditer(log)), in_seconds(TAKEN.findall(log)[-1][1])
            if not found:
                print(f"{name:34}{'nothing':>20}{taken:10.1f} s", flush=True)
                continue
            for stated in found[:2]:  # the bound may come before the likely time
                ratio = in_seconds(stated[2]) / taken
                words = f"{stated[1]} {stated[2]}"
                print(f"{name:34}{words:>20}{taken:10.1f} s{ratio:8.2f}", flush=True)
                (bounds if stated[1] == "at most" else ratios).append(ratio)
    near = sum(1 / 1.5 <= ratio <= 1.5 for ratio in ratios)
    kept = sum(ratio > 1 / 1.5 for ratio in bounds)
    print(f"within a factor of 1.5: {near} of {len(ratios)}; bounds kept: {kept} of {len(bounds)}")


if __name__ == "__main__":
    main()
