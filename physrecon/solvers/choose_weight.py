"""How much a prior shall count: the weight w of  f(x) + w R(x), chosen from the data.

x_w is the solution for a weight and ρ = √(2 f(x_w)) what it leaves of the data: ‖W^½ (A x − y)‖ for
least squares.  m is the number of data and σ their noise, both of which `f.expected_norms` knows as
δ = σ √m.  df, the degrees of freedom, is how far the solution follows the data: the trace of the
map from W^½ y to W^½ A x_w.

"gcv"          the least ρ² / (1 − df/m)²; needs no σ (Golub, Heath and Wahba 1979)
"risk"         the least ρ² + 2 σ² df, which estimates the error of A x_w without bias
               (Mallows 1973, Stein 1981)
"discrepancy"  ρ = δ, all that noise alone would leave (Morozov 1966): too smooth as a rule, for it
               takes nothing off for df, but hardly misled by a wrong σ
"l-curve"      the sharpest corner of (log ρ, log R); needs neither (Hansen and O'Leary 1993)

df is measured by shaking the data once with random signs (Girard 1989; for solutions that are not
linear in the data Ramani, Blu and Unser 2008).  The shaken problem is solved along with the other,
from weight to weight in as many iterations, so that df is that of the solution as it is found,
whether or not it has converged."""

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

FACTOR = 4.0  # between neighbouring weights of the first look
PRECISION = 1.15  # the factor to which the weight is found: scores are flat where they are least
MOST = 12  # weights of the first look, and LAST of the second
LAST = 6
SHAKE = 0.1  # of the noise: how far the data are moved for df
LEAST_SHAKE = 1e-3  # of the data, where there seems to be no noise
SEED = 1990
DEFAULT = Stop(iterations=100)  # no rtol: where two weights are near, the first step is small
COLD = 2  # times as many iterations for the first solution, which starts from nothing


class Point(NamedTuple):
    """One weight of the curve.  residual: ρ.  prior: R(x_w).  freedom: df/m, NaN where it was not
    needed.  score: what the rule makes small; for "l-curve" minus the curvature."""

    weight: float
    residual: float
    prior: float
    freedom: float
    score: float


@dataclass(frozen=True)
class WeightChoice:
    """The weight, the rule that chose it, the curve by weight, and the solution for the weight.

    problem: the problem with a prior of that weight.  expected: δ."""

    weight: float
    rule: str
    expected: float
    curve: list[Point]
    problem: Problem
    result: Result

    def plot(self, path: str | Path) -> None:
        """Draw the residual, the degrees of freedom and the score over the weight, as PNG."""
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
    """The weight of problem.prior that `rule` prefers; the weight it has is not looked at.

    One weight for the whole of x.  Solves the problem ten to twenty times, twice for "gcv" and
    "risk", each from the solution for the weight before: make it small (some slices) where it is
    large.  solver: None is what suits the problem.  stop: of each solution (the first takes twice
    as many iterations); None is 100 iterations.  Raises ArgumentError for a problem without a
    prior, or data that do not tell what the rule asks.

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
    """The curve as far as it is known, and how to find the weight on it."""

    def __init__(self, problem: Problem, rule: str, solver: Solver, stop: Stop) -> None:
        self.problem, self.rule, self.solver, self.stop = problem, rule, solver, stop
        self.points: dict[float, Point] = {}
        self.results: dict[float, Result] = {}
        self.perturbed: dict[float, Result] = {}  # solutions for data that are shaken
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
        """Where the score is least."""
        from scipy.optimize import minimize_scalar

        seen = self._look(up=lambda p: p[-1].score <= p[-2].score, down=_has_risen)
        best = min(range(len(seen)), key=lambda i: seen[i].score)
        above, below = seen[max(best - 1, 0)], seen[min(best + 1, len(seen) - 1)]
        minimize_scalar(
            lambda logarithm: self.at(math.exp(logarithm)).score,
            bounds=(math.log(below.weight), math.log(above.weight)),
            method="bounded",
            options={"xatol": math.log(PRECISION), "maxiter": LAST},
        )
        return min(self.points.values(), key=lambda p: p.score).weight

    def _root(self) -> float:
        """Where the score, which grows with the weight, is zero."""
        from scipy.optimize import brentq

        seen = self._look(up=lambda p: p[-1].score < 0, down=lambda p: p[-1].score <= 0)
        if seen[-1].score > 0 or seen[0].score < 0:
            return min(seen, key=lambda p: abs(p.score)).weight  # no weight, or any, fits the noise
        below = next(i for i, p in enumerate(seen) if p.score <= 0)
        return math.exp(
            brentq(
                lambda logarithm: self.at(math.exp(logarithm)).score,
                math.log(seen[below].weight),
                math.log(seen[max(below - 1, 0)].weight),
                xtol=math.log(PRECISION),
            )
        )

    def _corner(self) -> float:
        """Where the curve (log ρ, log R) bends most: the curvature of splines through it."""
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
        fine = np.linspace(s[1], s[-2], 50 * len(s))  # at the ends splines bend as they like
        return float(np.exp(fine[int(np.argmax(bend(fine)))]))

    def _look(
        self, up: Callable[[list[Point]], bool], down: Callable[[list[Point]], bool]
    ) -> list[Point]:
        """Points by falling weight, from one where the prior prevails.

        up(rising points): whether the weight must still grow.  down(falling points): whether it
        need not fall any more."""
        first = self._first()
        rising = [self.at(first), self.at(first / FACTOR)][::-1]
        while up(rising) and len(rising) < MOST:
            rising.append(self.at(rising[-1].weight * FACTOR))
        seen = rising[::-1]
        while not down(seen) and len(seen) < MOST:
            seen.append(self.at(seen[-1].weight / FACTOR))
        return seen

    def _first(self) -> float:
        """A weight with which the prior of a rough solution outweighs what noise leaves in f."""
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
        """The solution for a weight, from that for the nearest weight that is known."""
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
        """df/m: how the predicted data follow data that are shaken."""
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
    """Whether the last two scores lie above the least."""
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
