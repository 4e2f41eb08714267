"""The cost of solvers beyond projections: fused vector updates, and conjugate gradient as a whole.

    python benchmarks/updates.py                 # about three minutes

Prints the rate of every fused update beside the rate of a copy in memory, in the same run, and the
time of 30 CGLS iterations (N = 512, 64 slices) over that of their 30 forward and 31 back
projections alone.  Medians over rounds in which the calls take turns."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from timing import Table, in_turns

import physrecon as pr
from physrecon import arrays

SIZE, SLICES, ITERATIONS = 512, 64, 30


def updates(rounds: int) -> None:
    """The rate of each update: bytes that it must read and write, over its time."""
    shape = (SLICES, SIZE, SIZE)
    x, y, copied = (np.ones(shape, np.float32) for _ in range(3))
    half, one, all_ = np.full(SLICES, 0.5), np.ones(SLICES), np.ones(SLICES, bool)
    calls: dict[str, tuple[int, Callable[[], object]]] = {
        "copy": (2, lambda: np.copyto(copied, x)),
        "<x, y>": (2, lambda: arrays.dots(x, y, 0)),
        "|x - y|^2": (2, lambda: arrays.distances(x, y, 0)),
        "y = b y + a x, |y|^2": (3, lambda: arrays.combine(y, half, half, x, 0, all_)),
        "x = P(x + t d), |dx|^2, |x|^2": (
            3,
            lambda: arrays.step(y, 0 * one, x, (0.0, np.inf), 0, all_),
        ),
    }
    times = in_turns({name: call for name, (_, call) in calls.items()}, rounds)
    rates = {k: passes * x.nbytes / np.median(times[k]) for k, (passes, _) in calls.items()}
    table = Table(("update, 64 slices of 512^2", "ms", "GB/s", "of a copy"))
    for name, rate in rates.items():
        median = 1e3 * float(np.median(times[name]))
        table.row(name, f"{median:.1f}", f"{rate / 1e9:.1f}", f"{rate / rates['copy']:.0%}")


def conjugate_gradient(rounds: int) -> None:
    scan = pr.ParallelBeam(np.arange(SIZE) * np.pi / SIZE, (SLICES, SIZE), angle_unit="rad")
    A = pr.Projector(scan)
    x = np.repeat(pr.datasets.shepp_logan((SIZE, SIZE))[None], SLICES, axis=0)
    y, back = A @ x, np.empty_like(x)
    ahead = np.empty_like(y)
    problem, stop = pr.Problem(pr.LeastSquares(A, y)), pr.Stop(iterations=ITERATIONS)

    def projections() -> None:
        A.adjoint(y, back)
        for _ in range(ITERATIONS):
            A.forward(x, ahead)
            A.adjoint(y, back)

    calls: dict[str, Callable[[], object]] = {
        "projections": projections,
        "cgls": lambda: pr.solve(problem, pr.ConjugateGradient(), stop=stop),
    }
    times = in_turns(calls, rounds)
    table = Table(("30 iterations, 64 slices of 512^2", "s", "ratio"))
    alone = float(np.median(times["projections"]))
    for name, values in times.items():
        median = float(np.median(values))
        table.row(name, f"{median:.2f}", f"{median / alone:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    updates(max(rounds, 9))
    print()
    conjugate_gradient(rounds)


if __name__ == "__main__":
    main()
