"""physrecon beside ASTRA and scikit-image: projections, FBP, SIRT and total variation.

    python benchmarks/parallel_beam.py                  # everything (about ten minutes)
    python benchmarks/parallel_beam.py --only projectors --rounds 9

Prints milliseconds per slice (medians over rounds in which the programs take turns), the ratio to
each peer, the arithmetic floor (two multiply-adds per voxel and view at the speed of this machine's
matrix product, measured in the same run) and the gap to it.  Needs `pip install '.[bench]'`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from peers import Astra, Case, skimage
from timing import Table, copy_rate, cores, in_turns, multiply_rate, seconds

import physrecon as pr

Call = Callable[[], object]


def data(case: Case, slices: int) -> tuple[pr.ParallelBeam, np.ndarray, np.ndarray]:
    """Scan, a volume (slices, size, size) and projections (views, slices, size)."""
    scan = pr.ParallelBeam(case.angles, (slices, case.size), angle_unit="rad")
    x = np.repeat(pr.datasets.shepp_logan((case.size, case.size))[None], slices, axis=0)
    return scan, x, np.ones(scan.shape, np.float32)


def projections(case: Case, slices: int) -> dict[str, Call]:
    """Both directions, into preallocated memory."""
    scan, x, y = data(case, slices)
    A, Ax, Aty = pr.Projector(scan), np.empty_like(y), np.empty_like(x)
    return {"forward": lambda: A.forward(x, Ax), "back": lambda: A.adjoint(y, Aty)}


def milliseconds(times: list[float], slices: int) -> float:
    return 1e3 * float(np.median(times)) / slices


def projectors(astra: Astra, rounds: int, rate: float) -> None:
    """Forward and back at 512, and the time per slice at 1024."""
    small, large, slices = Case(512, 512), Case(1024, 1024), 64
    floor = 1e3 * 4 * small.size**2 * small.views / rate
    per_slice = {}
    table = Table(("per slice", "physrecon", "ASTRA", "ratio", "skimage", "ratio", "floor", "gap"))
    for what, call in projections(small, slices).items():
        times = in_turns({"we": call, "astra": astra.run(small, what, repeats=2)}, rounds)
        we = per_slice[what] = milliseconds(times["we"], slices)
        peer = milliseconds(times["astra"], 2 * astra.processes)
        other = 1e3 * seconds(skimage(small, what))
        table.row(
            f"{what} 512², 512 views, {slices} slices",
            *(f"{we:.2f} ms", f"{peer:.0f} ms", f"{peer / we:.1f}x"),
            *(f"{other:.0f} ms", f"{other / we:.0f}x", f"{floor:.2f} ms", f"{we / floor:.2f}x"),
        )
    for what, call in projections(large, slices).items():
        we = milliseconds(in_turns({"we": call}, rounds)["we"], slices)
        table.row(
            f"{what} 1024², 1024 views, {slices} slices",
            *(f"{we:.2f} ms", "", f"{we / per_slice[what]:.2f} x 512²", "", ""),
            *(f"{8 * floor:.2f} ms", f"{we / floor / 8:.2f}x"),
        )


def few_slices(astra: Astra, rounds: int, rate: float) -> None:
    """1, 2, 4 and 8 slices beside a block of 64: time per slice, all in turns.

    On a shared machine the medians of a run are to be compared with each other only."""
    table = Table(("per slice", "physrecon", "of 64", "ASTRA", "ratio"))
    for case in (Case(512, 512), Case(1024, 1024)):
        stacks = {slices: projections(case, slices) for slices in (1, 2, 4, 8, 64)}
        for what in ("forward", "back"):
            calls: dict[str, Call] = {str(n): calls[what] for n, calls in stacks.items()}
            times = in_turns({**calls, "astra": astra.run(case, what)}, rounds)
            peer = milliseconds(times["astra"], astra.processes)
            all_64 = milliseconds(times["64"], 64)
            for slices in stacks:
                we = milliseconds(times[str(slices)], slices)
                cells = (
                    f"{we:.2f} ms",
                    f"{we / all_64:.2f}",
                    f"{peer:.0f} ms",
                    f"{peer / we:.1f}x",
                )
                table.row(f"{what} {case.size}², {case.views} views, {slices}", *cells)


def one_slice(astra: Astra, rounds: int, rate: float) -> None:
    """SIRT of one slice beside ASTRA's, and total variation by ADMM and FISTA."""
    sirt(astra, rounds, rate, slices=1)
    variation(Case(1260, 360), rounds)


def variation(case: Case, rounds: int, weight: float = 0.1) -> None:
    """Total variation of one slice from its filtered backprojection: iterations, products with A or
    Aᵀ and seconds, the start included, until f + R is within 1e-3 of the lowest of both solvers,
    and those seconds in A + Aᵀ."""
    scan = pr.ParallelBeam(case.angles, (1, case.size), angle_unit="rad")
    grid = scan.default_grid()
    exact = pr.datasets.shepp_logan_phantom(2).fitted(grid).projections(scan)
    exact *= np.float32(3 / exact.max())
    y = -np.log(pr.TransmissionNoise(1e4).sample(exact, 0) / np.float32(1e4))
    A = pr.Projector(scan, grid)
    x, out = A.T @ y, np.empty_like(y)
    A.forward(x, out)  # compiles
    calls: dict[str, Call] = {"A": lambda: A.forward(x, out), "Aᵀ": lambda: A.adjoint(y, x)}
    pair = sum(float(np.median(times)) for times in in_turns(calls, rounds).values())
    prior = pr.TotalVariation(weight, axes=(1, 2))
    problem = pr.Problem(pr.LeastSquares(A, y), prior, pr.NonNegative())
    solvers: dict[str, tuple[Any, int]] = {"ADMM": (pr.ADMM(), 150), "FISTA": (pr.FISTA(), 400)}
    marks = {name: followed(problem, *chosen) for name, chosen in solvers.items()}
    goal = 1.001 * min(value for each in marks.values() for *_, value in each)
    table = Table(("", "iterations", "seconds", "A + Aᵀ", "in A + Aᵀ"))
    for name, each in marks.items():
        hit = next((mark for mark in each if mark[2] <= goal), None)
        title = f"TV {case.size}², {case.views} views, 1, {name}"
        if hit is None:
            table.row(title, "more", "", f"{1e3 * pair:.0f} ms", "")
            continue
        at, spent, _ = hit
        table.row(title, str(at), f"{spent:.1f} s", f"{1e3 * pair:.0f} ms", f"{spent / pair:.0f}")


def followed(problem: Any, solver: Any, iterations: int) -> list[tuple[int, float, float]]:
    """(iteration, seconds, f + R) of every fifth iteration from an FBP, which is timed too."""
    A, y = problem.f.A, problem.f.y
    pr.solve(problem, solver, pr.fbp(y, A.scan, A.grid), pr.Stop(iterations=2))  # compiles
    marks: list[tuple[int, float, float]] = []
    began, aside = time.perf_counter(), 0.0

    def look(state: Any) -> None:
        nonlocal aside
        now = time.perf_counter()
        if state.iteration % 5 == 0:
            value = float(problem.objective(state.x)[0])
            marks.append((state.iteration, now - began - aside, value))
        aside += time.perf_counter() - now

    pr.solve(problem, solver, pr.fbp(y, A.scan, A.grid), pr.Stop(iterations=iterations), look)
    return marks


def fbp(astra: Astra, rounds: int, rate: float) -> None:
    """Filtered backprojection, ramp filter."""
    case, slices = Case(512, 512), 64
    scan, _, y = data(case, slices)
    table = Table(("per slice", "physrecon", "ASTRA", "ratio", "skimage", "ratio"))
    times = in_turns({"we": lambda: pr.fbp(y, scan), "astra": astra.run(case, "FBP", 2)}, rounds)
    we = milliseconds(times["we"], slices)
    peer = milliseconds(times["astra"], 2 * astra.processes)
    other = 1e3 * seconds(skimage(case, "FBP"))
    table.row(
        f"FBP 512², 512 views, {slices} slices",
        *(f"{we:.2f} ms", f"{peer:.0f} ms", f"{peer / we:.1f}x"),
        *(f"{other:.0f} ms", f"{other / we:.0f}x"),
    )


def sirt(
    astra: Astra,
    rounds: int,
    rate: float,
    slices: int = 64,
    iterations: int = 100,
    share: int = 10,
) -> None:
    """SIRT; ASTRA runs 1/`share` of the iterations, which cost the same each, and is scaled."""
    case = Case(512, 512)
    scan, _, y = data(case, slices)
    problem = pr.Problem(pr.LeastSquares(pr.Projector(scan), y))

    def we() -> object:
        return pr.solve(problem, pr.SIRT(), stop=pr.Stop(iterations=iterations))

    table = Table(("per slice", "physrecon", "ASTRA", "ratio"))
    pr.solve(problem, pr.SIRT(), stop=pr.Stop(iterations=2))
    mine = seconds(we) / slices
    setup, part = (seconds(astra.run(case, "SIRT", 1, n)) for n in (1, 1 + iterations // share))
    peer = (setup + (part - setup) * share) / astra.processes
    cells = (f"{mine:.2f} s", f"{peer:.1f} s", f"{peer / mine:.1f}x")
    table.row(f"SIRT 512², {iterations} iterations, {slices} slices", *cells)


PARTS = {
    "projectors": projectors,
    "few-slices": few_slices,
    "one-slice": one_slice,
    "fbp": fbp,
    "sirt": sirt,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rate = multiply_rate()
    print(
        f"{cores()} cores, {numba.get_num_threads()} threads, one ASTRA process per core; "
        f"matrix product {rate / 1e9:.0f} GFLOP/s, copy {copy_rate() / 1e9:.1f} GB/s"
    )
    with Astra(cores()) as astra:
        for part in options.only or PARTS:
            PARTS[part](astra, options.rounds, rate)
