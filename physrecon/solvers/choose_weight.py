"""The weight w of a prior in  f(x) + w R(x), chosen from the data.

x_w is the solution for the weight w.  ρ = √(2 f(x_w)) is its residual norm: ‖W^½ (A x_w − y)‖ for
least squares.  m is the number of data, σ their noise level, δ = σ √m the expected norm of the
noise (`f.expected_norms`).  df is the degrees of freedom of the solution: the trace of the map from
W^½ y to W^½ A x_w.

"gcv"          the least ρ² / (1 − df/m)²; needs no σ (Golub, Heath and Wahba 1979)
"risk"         the least ρ² + 2 σ² df, which estimates the error of A x_w without bias
               (Mallows 1973, Stein 1981)
"discrepancy"  ρ = δ, the residual of noise alone (Morozov 1966): usually too smooth, since it does
               not subtract df from m; insensitive to a wrong σ
"l-curve"      the sharpest corner of (log ρ, log R); needs no σ, no df (Hansen and O'Leary 1993)

df is measured by one perturbation of the data with random signs (Girard 1989; for solutions that
are not linear in the data Ramani, Blu and Unser 2008).  The perturbed problem is solved at the same
weights with the same number of iterations, so df belongs to the computed x_w, converged or not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector
from physrecon.catalog import WEIGHT_RULES
from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers import Result, Solver, Stop, choose_solver, solve

FACTOR = 4.0  # ratio of neighbouring weights in the coarse scan
PRECISION = 1.15  # factor to which the weight is determined; scores are flat at their minimum
MOST = 12  # largest number of weights in the coarse scan
LAST = 6  # largest number of weights in the refinement
SHAKE = 0.1  # perturbation of the data for df, in units of the noise
LEAST_SHAKE = 1e-3  # least noise assumed for SHAKE, in units of the norm of the data
SEED = 1990
DEFAULT = Stop(iterations=100)  # no rtol: a start from a near weight makes a small first step
COLD = 2  # factor of the iterations of the first solution, which has no neighbour to start from


class Point(NamedTuple):
    """One weight of the curve.  residual: ρ.  prior: R(x_w).  freedom: df/m, NaN if the rule does
    not need it.  score: the function that the rule minimises, for "l-curve" minus the curvature;
    for "discrepancy" log(ρ/δ), of which it finds the root."""

    weight: float
    residual: float
    prior: float
    freedom: float
    score: float


@dataclass(frozen=True)
class WeightChoice:
    """The chosen weight, the rule, the curve by increasing weight, and the solution.

    problem: the problem with the chosen weight.  expected: δ."""

    weight: float
    rule: str
    expected: float
    curve: list[Point]
    problem: Problem
    result: Result

    def plot(self, path: str | Path) -> None:
        """Draw residual, prior, degrees of freedom and score over the weight, as a PNG file."""
        from physrecon.pictures.weight_curve import draw

        weights, residuals, priors, freedoms, scores = np.transpose(self.curve)
        panels = [
            ("√(2 f)", residuals, "log"),
            ("R(x)", priors, "log"),
            ("df / m", freedoms, "linear"),
            (f"score of {self.rule}", scores, "linear"),
        ]
        noise = self.expected if self.rule in ("risk", "discrepancy") else None
        title = f"weight {self.weight:.3g}, chosen by {self.rule}"
        draw(path, weights, panels, self.weight, title, noise)


def choose_weight(
    problem: Problem,
    rule: str = WEIGHT_RULES[0],
    solver: Solver | None = None,
    stop: Stop | None = None,
) -> WeightChoice:
    """Choose the weight of problem.prior by `rule`; the weight that it has is ignored.

    All of x gets one weight.  The problem is solved for ten to twenty weights, twice each for "gcv"
    and "risk", each time from the solution for the nearest weight: pass few slices of a large x.
    solver: None takes `choose_solver(problem)`.  stop: of each solution (the first takes twice as
    many iterations); None means 100 iterations.  Raises ArgumentError for a problem without a
    prior, and for data from which the rule cannot be evaluated.

    >>> y = np.sin(np.linspace(0, 6, 257))
    >>> data = pr.GaussianNoise(0.5).sample(y, seed=0)
    >>> f = pr.LeastSquares(pr.Identity(257), data)
    >>> choice = pr.choose_weight(pr.Problem(f, pr.Tikhonov(1.0, pr.Gradient)))
    >>> choice.rule, choice.weight > 1
    ('gcv', True)
    >>> bool(np.linalg.norm(choice.result.x - y) < 0.5 * np.linalg.norm(data - y))
    True
    """
    if rule not in WEIGHT_RULES:
        raise ArgumentError(
            f"choose_weight: expected one of {', '.join(WEIGHT_RULES)}, got {rule!r}"
        )
    if problem.prior is None:
        raise ArgumentError("choose_weight: expected a problem with a prior, got none; set one")
    return _Search(problem, rule, solver or choose_solver(problem), stop or DEFAULT).run()


class _Search:
    """The points of the curve computed so far, and the search for the weight."""

    def __init__(self, problem: Problem, rule: str, solver: Solver, stop: Stop) -> None:
        self.problem, self.rule, self.solver, self.stop = problem, rule, solver, stop
        self.points: dict[float, Point] = {}
        self.results: dict[float, Result] = {}
        self.perturbed: dict[float, Result] = {}  # solutions for the perturbed data
        f = problem.f
        self.count = int(f.counted().sum())
        self.expected = math.sqrt(float((f.expected_norms() ** 2).sum()))
        if rule in ("risk", "discrepancy") and not self.expected > 0:
            raise ArgumentError(
                f"choose_weight: expected data with noise for {rule}, got none that differs from "
                'the object; choose rule="l-curve", or a weight'
            )
        if rule in ("gcv", "risk"):
            self.signs = vectors.transform(_signs(SEED), f.y)
            data = math.sqrt(float(vectors.dots(f.y, f.y)[0]))
            norm = max(self.expected * SHAKE, data * LEAST_SHAKE * SHAKE)
            self.size = norm / math.sqrt(max(self.count, 1))
            self.f_perturbed = f.perturbed(self.signs, self.size)

    def run(self) -> WeightChoice:
        weight = {"discrepancy": self._root, "l-curve": self._corner}.get(self.rule, self._lowest)()
        self.at(weight)
        return WeightChoice(
            weight,
            self.rule,
            self.expected,
            [self.points[w] for w in sorted(self.points)],
            Problem(self.problem.f, self._prior(weight), self.problem.constraint),
            self.results[weight],
        )

    # Finding ----------------------------------------------------------------------------------

    def _lowest(self) -> float:
        """The weight with the least score."""
        from scipy.optimize import minimize_scalar

        seen = self._look(up=lambda p: p[-1].score <= p[-2].score, down=_has_risen)
        best = min(range(len(seen)), key=lambda i: seen[i].score)
        above, below = seen[max(best - 1, 0)], seen[min(best + 1, len(seen) - 1)]
        unit = seen[0].weight  # logarithms of ratios do not depend on the unit of the data
        minimize_scalar(
            lambda logarithm: self.at(unit * math.exp(logarithm)).score,
            bounds=(math.log(below.weight / unit), math.log(above.weight / unit)),
            method="bounded",
            options={"xatol": math.log(PRECISION), "maxiter": LAST},
        )
        return min(self.points.values(), key=lambda p: p.score).weight

    def _root(self) -> float:
        """The weight with score zero; the score grows with the weight."""
        from scipy.optimize import brentq

        seen = self._look(up=lambda p: p[-1].score < 0, down=lambda p: p[-1].score <= 0)
        if seen[-1].score > 0 or seen[0].score < 0:
            return min(seen, key=lambda p: abs(p.score)).weight  # no root in the scanned range
        below = next(i for i, p in enumerate(seen) if p.score <= 0)
        unit = seen[0].weight
        return unit * math.exp(
            brentq(
                lambda logarithm: self.at(unit * math.exp(logarithm)).score,
                math.log(seen[below].weight / unit),
                math.log(seen[max(below - 1, 0)].weight / unit),
                xtol=math.log(PRECISION),
            )
        )

    def _corner(self) -> float:
        """The weight at which splines through the curve (log ρ, log R) bend most."""
        from scipy.interpolate import make_interp_spline

        seen = self._look(up=_is_steep, down=_is_flat)[::-1]
        s = np.log([p.weight for p in seen])
        splines = [
            make_interp_spline(s, np.log(np.maximum(values, 1e-300)), k=min(3, len(s) - 1))
            for values in ([p.residual for p in seen], [p.prior for p in seen])
        ]

        def bend(at: Any) -> Any:
            (a, aa), (b, bb) = ((spline(at, 1), spline(at, 2)) for spline in splines)
            return (a * bb - b * aa) / np.maximum(a**2 + b**2, 1e-12) ** 1.5

        for point, curvature in zip(seen, bend(s), strict=True):
            self.points[point.weight] = point._replace(score=-float(curvature))
        fine = np.linspace(s[1], s[-2], 50 * len(s))  # spline ends are unreliable
        return float(np.exp(fine[int(np.argmax(bend(fine)))]))

    def _look(
        self, up: Callable[[list[Point]], bool], down: Callable[[list[Point]], bool]
    ) -> list[Point]:
        """Coarse scan: points by decreasing weight, from one at which the prior dominates.

        up(points by increasing weight): whether the scan must go to larger weights.
        down(points by decreasing weight): whether the scan may end."""
        first = self._first()
        rising = [self.at(first), self.at(first / FACTOR)][::-1]
        while up(rising) and len(rising) < MOST:
            rising.append(self.at(rising[-1].weight * FACTOR))
        seen = rising[::-1]
        while not down(seen) and len(seen) < MOST:
            seen.append(self.at(seen[-1].weight / FACTOR))
        return seen

    def _first(self) -> float:
        """The weight for which w R of a rough solution is FACTOR times the noise in f."""
        f, constraint = self.problem.f, self.problem.constraint
        free = Problem(f, constraint=constraint)
        rough = solve(free, choose_solver(free), stop=Stop(iterations=10)).x
        size = float(self._prior(1.0).values(rough).sum())
        noise = self.expected**2 / 2 or float(f.values(rough).sum())
        if not (size > 0 and math.isfinite(size) and noise > 0 and math.isfinite(noise)):
            raise ArgumentError(
                f"choose_weight: expected data and a prior that tell of the object, got noise of "
                f"f = {noise:g} and {type(self.problem.prior).__name__} = {size:g}; give the weight"
            )
        return FACTOR * noise / size

    # One point --------------------------------------------------------------------------------

    def at(self, weight: float) -> Point:
        """The point of a weight; its solution starts from that of the nearest weight."""
        if weight not in self.points:
            x = self._solve(self.problem.f, weight, self.results)
            residual = math.sqrt(2 * float(self.problem.f.values(x).sum()))
            prior = float(self._prior(1.0).values(x).sum())
            freedom = self._freedom(x, weight) if self.rule in ("gcv", "risk") else math.nan
            score = self._score(residual, freedom)
            self.points[weight] = Point(weight, residual, prior, freedom, score)
        return self.points[weight]

    def _solve(self, f: Any, weight: float, known: dict[float, Result]) -> Vector:
        near = min(known, key=lambda w: abs(math.log(w / weight)), default=None)
        x0 = None if near is None else known[near].x
        stop = self.stop
        if near is None:
            stop = replace(stop, iterations=COLD * stop.iterations)
        problem = Problem(f, self._prior(weight), self.problem.constraint)
        known[weight] = solve(problem, self.solver, x0, stop=stop)
        return known[weight].x

    def _freedom(self, x: Vector, weight: float) -> float:
        """df/m, from the response of the predicted data to the perturbation."""
        f = self.problem.f
        moved = self._solve(self.f_perturbed, weight, self.perturbed)
        before, after = f.whitened(f.A.forward(x)), f.whitened(f.A.forward(moved))
        vectors.subtract(after, before)
        return float(vectors.dots(after, self.signs)[0]) / self.size / self.count

    def _score(self, residual: float, freedom: float) -> float:
        if self.rule == "gcv":
            return residual**2 / self.count / max(1 - freedom, 1e-3) ** 2
        if self.rule == "risk":
            return (residual / self.expected) ** 2 + 2 * freedom
        return math.log(residual / self.expected) if self.rule == "discrepancy" else math.nan

    def _prior(self, weight: float) -> Any:
        return self.problem.prior.with_weight(weight)  # type: ignore[union-attr]


def _has_risen(points: list[Point]) -> bool:
    """Whether the last two scores are larger than the least."""
    least = min(p.score for p in points)
    return len(points) > 2 and min(points[-1].score, points[-2].score) > least


def _is_steep(points: list[Point]) -> bool:
    """Whether a stronger prior still fits the data nearly as well."""
    return points[-1].residual < 3 * points[0].residual


def _is_flat(points: list[Point]) -> bool:
    """Whether the residual has stopped falling."""
    return len(points) > 5 and points[-3].residual < 1.02 * points[-1].residual


def _signs(seed: int) -> Callable[[Any], Any]:
    def of(y: Any) -> Any:
        signs = np.random.default_rng(seed).integers(0, 2, y.shape) * 2 - 1
        return arrays.to_device(signs.astype(y.dtype), "cuda" if arrays.is_device(y) else "cpu")

    return of
