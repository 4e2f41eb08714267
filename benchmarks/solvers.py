"""Every solver on a standard case: the time until its solution is accurate to 1 %.

    python benchmarks/solvers.py                                # about three minutes
    python benchmarks/solvers.py --write docs/performance.md    # and write the table there

Shepp-Logan 128², 120 views of exact line integrals, 10³ photons.  A solver is done once
‖x − x*‖ ≤ 1 % ‖x*‖, x* being the minimiser of its objective, from a long run of another solver:

    T   ½ ‖A x − y‖² + ½ w ‖x‖²                x* from LSQR, or from CGLS
    R   the same, rows weighted by 1/length     x* from CGLS
    V   ½ ‖A x − y‖² + w TV(x), x ≥ 0           x* from FISTA, or from PDHG
    C   deviance of counts y' of A x, x ≥ 0     x* from L-BFGS
    E   A x = y, consistent data                x* is the phantom

For solvers that take no prior, w ‖x‖² is appended to the operator as rows √w.  Seconds count from
a cold start, norms of the operator included, to the end of the iteration, at most LIMIT."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from timing import Table

import physrecon as pr
from physrecon.catalog import SOLVERS

SIZE, VIEWS, PHOTONS, DEPTH = 128, 120, 1e3, 3.0
RIDGE, VARIATION = 30.0, 0.5  # the weights of T and V
GOAL, ITERATIONS, LIMIT = 0.01, 1000, 8.0
PLACE = re.compile(r"(<!-- solvers: .*? -->\n).*?(<!-- /solvers -->)", re.DOTALL)


@dataclass(frozen=True)
class Case:
    """A problem, made anew for every run so that no norm is cached, and its solution."""

    make: Callable[[], pr.Problem]
    solution: np.ndarray


def long_run(problem: pr.Problem, solver: Any, iterations: int, x0: Any = None) -> np.ndarray:
    stop = pr.Stop(iterations=iterations, rtol=1e-7, seconds=4 * LIMIT)
    return pr.solve(problem, solver, x0, stop=stop).x


def cases() -> dict[str, Case]:
    """The cases by letter."""
    angles = np.arange(VIEWS) * 180 / VIEWS
    scan = pr.ParallelBeam(angles, (1, SIZE), angle_unit="deg")
    grid = scan.default_grid()
    bodies = pr.datasets.shepp_logan_phantom(2).fitted(grid)
    exact = bodies.projections(scan)
    scale = np.float32(DEPTH / exact.max())
    truth = scale * bodies.volume(grid)
    counts = pr.TransmissionNoise(PHOTONS).sample(scale * exact, 0)
    y = -np.log(np.maximum(counts, 0.5) / np.float32(PHOTONS))
    A = pr.Projector(scan, grid)
    ridge = np.float32(np.sqrt(RIDGE)) * pr.Identity(grid.shape)
    stack, zero = pr.vstack([A, ridge]), np.zeros(grid.shape, np.float32)
    lengths = A @ np.ones(grid.shape, np.float32)
    by_length = (1 / np.maximum(lengths, 1e-3), np.float32(1 / np.sqrt(RIDGE)))
    emitted = np.float32(PHOTONS / DEPTH) * truth
    events = pr.PoissonNoise().sample(A @ emitted, 1)

    def squares() -> pr.Problem:
        return pr.Problem(pr.LeastSquares(A, y), pr.Tikhonov(RIDGE))

    def stacked(weights: Any = None) -> pr.Problem:
        return pr.Problem(pr.LeastSquares(stack, (y, zero), weights))

    def variation() -> pr.Problem:
        prior = pr.TotalVariation(VARIATION, axes=(1, 2))
        return pr.Problem(pr.LeastSquares(A, y), prior, pr.NonNegative())

    def of_counts() -> pr.Problem:
        return pr.Problem(pr.PoissonLikelihood(A, events), constraint=pr.NonNegative())

    def agreeing() -> pr.Problem:
        return pr.Problem(pr.LeastSquares(A, A @ truth))

    return {
        "T": Case(squares, long_run(squares(), pr.LSQR(), 200)),
        "t": Case(squares, long_run(squares(), pr.ConjugateGradient(), 200)),
        "s": Case(stacked, long_run(squares(), pr.LSQR(), 200)),
        "R": Case(stacked, long_run(stacked(by_length), pr.ConjugateGradient(), 200)),
        "V": Case(variation, long_run(variation(), pr.FISTA(), 500)),
        "v": Case(variation, long_run(variation(), pr.PDHG(), 3000)),
        "C": Case(of_counts, long_run(of_counts(), pr.LBFGS(), 1000, 0 * truth + 1)),
        "E": Case(agreeing, truth),
    }


# The objective of each solver; small letters are the same objective, see `cases`.
RUNS: list[tuple[str, Any, str]] = [
    ("cgls", pr.ConjugateGradient(), "T"),
    ("lsqr", pr.LSQR(), "t"),
    ("gd", pr.GradientDescent(), "T"),
    ("gd, nesterov", pr.GradientDescent(rule="nesterov"), "T"),
    ("gd, armijo", pr.GradientDescent(rule="armijo"), "T"),
    ("gd, bb", pr.GradientDescent(rule="bb"), "T"),
    ("landweber", pr.Landweber(), "s"),
    ("lbfgs", pr.LBFGS(), "T"),
    ("gauss-newton", pr.GaussNewton(), "T"),
    ("saga", pr.SAGA(), "T"),
    ("adam", pr.Adam(), "T"),
    ("rmsprop", pr.RMSprop(), "T"),
    ("sirt", pr.SIRT(), "R"),
    ("fista", pr.FISTA(), "T"),
    ("fista", pr.FISTA(), "v"),
    ("pdhg", pr.PDHG(), "T"),
    ("pdhg", pr.PDHG(), "V"),
    ("admm", pr.ADMM(), "V"),
    ("mlem", pr.MLEM(), "C"),
    ("osem", pr.OSEM(), "C"),
    ("sart", pr.SART(), "E"),
    ("kaczmarz", pr.Kaczmarz(), "E"),
]


def measure(solver: Any, case: Case) -> tuple[str, str]:
    """Iterations and seconds to the goal, or the error that was reached."""
    size, distances = np.linalg.norm(case.solution), [np.inf]

    def close(state: Any) -> bool:
        distances.append(float(np.linalg.norm(state.x - case.solution) / size))
        return distances[-1] <= GOAL

    stop = pr.Stop(iterations=ITERATIONS, seconds=LIMIT)
    pr.solve(case.make(), solver, stop=pr.Stop(iterations=2))  # compiles
    result = pr.solve(case.make(), solver, stop=stop, callback=close)
    if distances[-1] > GOAL:
        return f"{100 * distances[-1]:.2g} % after {result.iterations}", "–"
    problem, start = case.make(), time.perf_counter()
    pr.solve(problem, solver, stop=pr.Stop(iterations=result.iterations))
    return str(result.iterations), f"{time.perf_counter() - start:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table in this file")
    chosen = parser.parse_args()
    assert {solver.name for _, solver, _ in RUNS} == set(SOLVERS), "a solver without a line"
    known = cases()
    for one, other in ("Tt", "Vv"):
        x, z = known[one].solution, known[other].solution
        print(f"the two x* of {one} differ by {np.linalg.norm(x - z) / np.linalg.norm(x):.1e}")
    lines = [
        "| solver | minimises | data sets + volumes | iterations to 1 % | seconds |",
        "|---|---|---|---|---|",
    ]
    shown = Table(("solver", "minimises", "  iterations to 1 %", "seconds"))
    for label, solver, letter in RUNS:
        iterations, seconds = measure(solver, known[letter])
        sets, volumes = solver.holds
        letter = {"s": "T"}.get(letter, letter.upper())
        shown.row(label, letter, iterations, seconds)
        lines.append(f"| `{label}` | {letter} | {sets} + {volumes} | {iterations} | {seconds} |")
    table = "\n".join(lines) + "\n"
    print("\n" + table)
    if chosen.write:
        text = chosen.write.read_text(encoding="utf-8")
        if not PLACE.search(text):
            parser.error(f"{chosen.write}: expected <!-- solvers: … --> and <!-- /solvers -->")
        written = PLACE.sub(lambda m: m[1] + table + m[2], text)
        chosen.write.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
