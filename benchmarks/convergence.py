"""Iterations and products with A until f + R is within 1e-3 of its least value, and how far above
it the iterations end by `stop.gain`.

    python benchmarks/convergence.py                                # about a minute
    python benchmarks/convergence.py --write docs/performance.md    # and write the table there

Three problems with total variation and x ≥ 0, at the size given: tomography from 20 views, a blur
with unknown boundary, and the same blur of some 50 counts a pixel.  Three with total generalised
variation of a ramp with an edge: denoising, a blur, tomography.  Two with few wavelets: tomography
and a blur.  The least value is that of the best solver after --iterations.  A product is one A or
one Aᵀ; seconds include norms."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from timing import Table

import physrecon as pr
from physrecon.jobs.settings import CONVERGED
from physrecon.solvers import convergence

GOAL = 1e-3
SOLVERS = (pr.FISTA(), pr.PDHG(), pr.ADMM())
PLACE = re.compile(r"(<!-- convergence: .*? -->\n).*?(<!-- /convergence -->)", re.DOTALL)


class Row(NamedTuple):
    """An iteration: f + R, products with A, seconds, and the gain of the last half."""

    iteration: int
    value: float
    products: int
    seconds: float
    gain: float


class Counted(pr.LinearOperator):
    """A that counts its products."""

    def __init__(self, A: pr.LinearOperator) -> None:
        self.A, self.products = A, 0
        self.in_shape, self.out_shape, self.slices = A.in_shape, A.out_shape, A.slices
        self.nonnegative = A.nonnegative

    def _forward(self, x: Any, out: Any) -> None:
        self.products += 1
        self.A.apply(x, out)

    def _adjoint(self, y: Any, out: Any) -> None:
        self.products += 1
        self.A.apply_adjoint(y, out)

    def _norm_bounds(self, bounds: Any) -> Any:
        return bounds(self.A)


def problems(size: int) -> dict[str, tuple[Any, Any, Any, Any]]:
    """Name → (likelihood, its arguments, prior, constraint), A first among the arguments."""
    rng = np.random.default_rng(0)
    i, j = np.indices((size, size)) / size
    blocks = 1.0 * ((abs(i - 0.4) < 0.2) & (abs(j - 0.5) < 0.3))
    blocks += 0.5 * ((i - 0.7) ** 2 + (j - 0.6) ** 2 < 0.03)
    ramp = (3 * i + 2 * (j > 0.5) * j) * ((i - 0.5) ** 2 + (j - 0.5) ** 2 < 0.2)
    psf = np.exp(-((np.indices((9, 9)) - 4) ** 2).sum(axis=0) / 6)
    psf /= psf.sum()
    scan = pr.ParallelBeam(np.arange(20) * 9.0, (1, size), angle_unit="deg")
    T, B = pr.Projector(scan, scan.default_grid()), pr.Blur(psf, (size, size), "unknown")
    wide = 0.1 + np.pad(blocks, 4)
    R = pr.Blur(psf, (size, size), "reflect")

    def noisy(y: np.ndarray, sigma: float) -> np.ndarray:
        return y + sigma * rng.standard_normal(y.shape)

    squares, tv, tgv, above = pr.LeastSquares, pr.TotalVariation, pr.TGV, pr.NonNegative()
    counts = rng.poisson(50 * (B @ wide)).astype(float)
    flat = {"axes": (1, 2)}
    return {
        "tomography, TV": (squares, (T, noisy(T @ blocks[None], 0.3)), tv(0.3, **flat), above),
        "blur, TV": (squares, (B, noisy(B @ wide, 0.02)), tv(0.002), above),
        "counts, TV": (pr.PoissonLikelihood, (B, counts, 1.0), tv(0.05), above),
        "denoising, TGV": (squares, (pr.Identity(ramp.shape), noisy(ramp, 0.2)), tgv(0.15), None),
        "blur, TGV": (squares, (R, noisy(R @ ramp, 0.05)), tgv(0.02), None),
        "tomography, TGV": (squares, (T, noisy(T @ ramp[None], 0.3)), tgv(0.3, **flat), above),
        "tomography, wavelets": (
            *(squares, (T, noisy(T @ blocks[None], 0.3)), pr.WaveletL1(0.3, axes=(1, 2)), None),
        ),
        "blur, wavelets": (
            squares,
            (R, noisy(R @ wide[4:-4, 4:-4], 0.02)),
            pr.WaveletL1(0.002),
            None,
        ),
    }


def followed(made: Any, solver: Any, iterations: int, seconds: float) -> list[Row]:
    """The iterations at which f + R is known: those at which the gain is, and every fifth unless
    the value of the prior is itself iterated."""
    likelihood, (A, *data), prior, constraint = made
    counted = Counted(A)
    problem = pr.Problem(likelihood(counted, *data), prior, constraint)
    known = pr.Problem(likelihood(A, *data), prior, constraint)
    rows: list[Row] = []
    iterated = "infimal" in prior.capabilities
    aside = 0.0
    start = time.perf_counter()

    def note(state: Any) -> None:
        nonlocal aside
        now, k = time.perf_counter(), state.iteration
        if convergence.is_mark(k) or (k % 5 == 0 and not iterated):
            value = float(known.objective(state.x).sum())
            gain = float(convergence.gained(state).max()) if convergence.is_mark(k) else np.inf
            rows.append(Row(k, value, counted.products, now - start - aside, gain))
        aside += time.perf_counter() - now

    stop = pr.Stop(iterations=iterations, seconds=seconds, gain=1e-9)
    pr.solve(problem, solver, stop=stop, callback=note)
    return rows


def cells(rows: list[Row], best: float) -> tuple[str, ...]:
    hit = next((row for row in rows if row.value <= best * (1 + GOAL)), None)
    ended = next((row for row in rows if row.gain <= CONVERGED), None)
    found = (f"{rows[-1].value / best - 1:.1e} after {rows[-1].iteration}", "–", "–")
    if hit:
        found = (str(hit.iteration), str(hit.products), f"{hit.seconds:.2g}")
    if not ended:
        return *found, "–", "–"
    return *found, str(ended.iteration), f"{max(ended.value / best - 1, 0):.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--only", help="pattern of the names of problems")
    parser.add_argument("--iterations", type=int, default=1000, help="of a run, at most")
    parser.add_argument("--seconds", type=float, default=30.0, help="limit of a run")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table in this file")
    chosen = parser.parse_args()
    titles = ("problem", "solver", "iterations to 1e-3", "products with A", "seconds")
    titles += ("iterations to the end by `stop.gain`", "above the least then")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    shown = Table(
        ("problem", "solver", "iterations", "products", "seconds", "end by gain", "above")
    )
    for name, made in problems(chosen.size).items():
        if chosen.only and not re.search(chosen.only, name):
            continue
        limits = (chosen.iterations, chosen.seconds)
        runs = {s.name: followed(made, s, *limits) for s in SOLVERS}
        best = min(row.value for rows in runs.values() for row in rows)
        for solver, rows in runs.items():
            row = cells(rows, best)
            shown.row(name, solver, *row)
            lines.append(f"| {name} | `{solver}` | " + " | ".join(row) + " |")
    if chosen.write:
        text = chosen.write.read_text(encoding="utf-8")
        table = "\n".join(lines) + "\n"
        written = PLACE.sub(lambda m: m[1] + table + m[2], text)
        chosen.write.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
