"""Iterations and products with A until f + R is within 1e-3 of its least value.

    python benchmarks/convergence.py                                # about a minute
    python benchmarks/convergence.py --write docs/performance.md    # and write the table there

Three problems with total variation and x ≥ 0, at the size given: tomography from 20 views, a blur
with unknown boundary, and the same blur of some 50 counts a pixel.  Three with total generalised
variation of a ramp with an edge: denoising, a blur, tomography.  The least value is that of the
best solver after LONGEST iterations.  A product is one A or one Aᵀ; seconds include norms."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
from timing import Table

import physrecon as pr

GOAL, LONGEST = 1e-3, 400
SOLVERS = (pr.FISTA(), pr.PDHG(), pr.ADMM())
PLACE = re.compile(r"(<!-- convergence: .*? -->\n).*?(<!-- /convergence -->)", re.DOTALL)


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
    }


def followed(made: Any, solver: Any, seconds: float) -> list[tuple[float, int, float]]:
    """(objective, products, seconds) of every fifth iteration."""
    likelihood, (A, *data), prior, constraint = made
    counted = Counted(A)
    problem = pr.Problem(likelihood(counted, *data), prior, constraint)
    known = pr.Problem(likelihood(A, *data), prior, constraint)
    rows: list[tuple[float, int, float]] = []
    aside = 0.0
    start = time.perf_counter()

    def note(state: Any) -> None:
        nonlocal aside
        if state.iteration % 5 == 0:
            now = time.perf_counter()
            value = float(known.objective(state.x).sum())
            rows.append((value, counted.products, now - start - aside))
            aside += time.perf_counter() - now

    stop = pr.Stop(iterations=LONGEST, seconds=seconds)
    pr.solve(problem, solver, stop=stop, callback=note)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--only", help="part of the name of a problem")
    parser.add_argument("--seconds", type=float, default=30.0, help="limit of a run")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table in this file")
    chosen = parser.parse_args()
    lines = ["| problem | solver | iterations to 1e-3 | products with A | seconds |"]
    lines += ["|---|---|---|---|---|"]
    shown = Table(("problem", "solver", "iterations", "products", "seconds"))
    for name, made in problems(chosen.size).items():
        if chosen.only and chosen.only not in name:
            continue
        runs = {s.name: followed(made, s, chosen.seconds) for s in SOLVERS}
        best = min(row[0] for rows in runs.values() for row in rows)
        for solver, rows in runs.items():
            hits = [k for k, row in enumerate(rows) if row[0] <= best * (1 + GOAL)]
            cells = (f"{rows[-1][0] / best - 1:.1e} after {5 * len(rows)}", "–", "–")
            if hits:
                _, products, seconds = rows[hits[0]]
                cells = (str(5 * hits[0] + 5), str(products), f"{seconds:.2g}")
            shown.row(name, solver, *cells)
            lines.append(f"| {name} | `{solver}` | " + " | ".join(cells) + " |")
    if chosen.write:
        text = chosen.write.read_text(encoding="utf-8")
        table = "\n".join(lines) + "\n"
        written = PLACE.sub(lambda m: m[1] + table + m[2], text)
        chosen.write.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
