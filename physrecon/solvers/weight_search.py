"""The search of a weight: fits for weights unit · 2^(k/2), k whole, and the rules that judge them.

A denoiser has the strength σ ~ √weight: its weights are unit · 2^k.
No weight is tried twice, and the search has no rounding.  Fits go from large to small weights, each
from the fit of the next larger one: a small weight leaves noise in x, which a larger weight would
need many iterations to take off.  Where the solver allows it, its state goes on: fits that begin
without momentum stay behind, and hide what a small weight does to x.  All fits together cost as
many products with A as two to three solutions, or four by the rule gcv; 2.5 times as many for a
denoiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector
from physrecon.errors import ArgumentError
from physrecon.likelihoods.least_squares import Weighted
from physrecon.problem import Problem
from physrecon.solvers.base import Stop, solve
from physrecon.solvers.choose_solver import choose_solver
from physrecon.solvers.held_out import (
    Blocks,
    Losses,
    losses_of,
    noise_ratio,
    residual,
    wider,
    widths,
)
from physrecon.solvers.random_signs import random_signs
from physrecon.solvers.state import Solver, State

Progress = Callable[[float, str], Any]  # called with (fraction done, text)

COARSE = 4  # steps of √2 between weights of the first scan
MOST = 14  # weights of the first scan
ABOVE = 16.0  # prior at the first weight, in units of f of the rough solution
PARTS = 8  # fits that take as many iterations as one solution; the first takes twice as many
LEAST = 12  # iterations of a fit
COST = {"held-out": 1.6, "gcv": 3.6, "discrepancy": 1.8}  # solutions that the fits may cost at most
BEYOND = 3.0  # times as many at the most: MOST weights of LEAST iterations
LONGER = 2.5  # times as many for a denoiser: it forgets slowly the x that it started from
USUAL = 100  # least iterations of a solution unless they are given
SHARE = 4  # a fit takes at most one of so many iterations that are left
ROUGH = 40  # most iterations of the rough solution
SHARPER = 1.5  # steps of √2 that data are foretold best below the best x, at least
FLAT = 0.01  # relative change of a score that is none
FARTHEST = 40.0  # steps of √2 beyond the fits for the weight of the discrepancy
SHAKE = 0.1  # perturbation of the data for df, in units of the noise
LEAST_SHAKE = 1e-3  # least noise assumed for SHAKE, in units of the norm of the data


class Point(NamedTuple):
    """One weight of the curve.  residual: ρ.  prior: R(x_w).  freedom: df/m, NaN if the rule does
    not need it.  score: the function that the rule minimises; for "discrepancy" log(ρ/δ), of which
    it finds the root."""

    weight: float
    residual: float
    prior: float
    freedom: float
    score: float


class Draw(NamedTuple):
    """Blocks that are left out, f of the others, and its fits by place."""

    blocks: Blocks
    f: Any
    fits: dict[int, State]


class Search:
    """The curve by k, see `weight`, and the fits it is computed from."""

    def __init__(
        self,
        problem: Problem,
        rule: str,
        solver: Solver,
        stop: Stop,
        progress: Progress | None = None,
        solutions: list[Vector] | None = None,
    ) -> None:
        self.problem, self.rule, self.solver, self.stop = problem, rule, solver, stop
        self.progress = progress
        self.solutions = [] if solutions is None else solutions
        self.solved = 0  # number of solutions that were asked for
        self.points: dict[int, Point] = {}
        self.fits: dict[int, State] = {}
        self.perturbed: dict[int, State] = {}  # fits of the perturbed data
        self.losses = Losses()
        f = problem.f
        self.draws: list[Draw] = []  # of the rule held-out
        denoiser = not problem.prior.has_value  # type: ignore[union-attr]
        self.steps = 1 + denoiser  # of √2 in the weight for one of the search
        self.count = int(f.counted().sum())
        self.expected = math.sqrt(float((f.expected_norms() ** 2).sum()))
        solution = max(stop.iterations, USUAL)
        longer = LONGER**denoiser
        self.each = max(LEAST, int(longer * solution) // PARTS)
        self.budget = self.left = int(longer * COST[rule] * solution)
        self.rough = self._roughly(solution)
        self.unit = self._first_weight()
        if rule == "discrepancy" and not self.expected > 0:
            raise ArgumentError(
                "choose_weight: expected data with noise for discrepancy, got none that differs "
                "from the object; choose rule held-out, or a weight"
            )
        if rule == "gcv":
            self.signs = random_signs(f.y)
            data = math.sqrt(float(vectors.dots(f.y, f.y)[0]))
            norm = max(self.expected * SHAKE, data * LEAST_SHAKE * SHAKE)
            self.size = norm / math.sqrt(max(self.count, 1))
            self.f_perturbed = f.perturbed(self.signs, self.size)

    def find(self) -> tuple[float, float, float]:
        """The place of the chosen weight, and those between which the data prefer none."""
        rules = {"held-out": self._held_out, "discrepancy": self._root}
        return rules.get(self.rule, self._lowest)()

    def weight(self, place: float) -> float:
        return self.unit * 2.0 ** (place * self.steps / 2)

    def score(self, place: int) -> float:
        return self.losses.score(place) if self.draws else self.points[place].score

    def curve(self) -> list[Point]:
        """The points by increasing weight."""
        return [self.points[k]._replace(score=self.score(k)) for k in sorted(self.points)]

    # Finding ----------------------------------------------------------------------------------

    def _held_out(self) -> tuple[float, float, float]:
        """(place, low, high): the largest weight that the data do not tell from the best one."""
        f = self.problem.f
        sizes = widths(residual(f, self.rough))
        for number, blocked in enumerate((sizes, wider(f.y, sizes))):
            blocks = Blocks(f.y, blocked, number)
            known = {} if number else self.fits
            self.draws.append(Draw(blocks, f.masked(blocks.keep), known))
        if isinstance(f, Weighted) and not getattr(f, "inverse_variance", False):
            self.expected *= noise_ratio(f.y, sizes)
        best = self._finest(self._scan(), (COARSE // 2,))
        low = self.losses.alike(best, sorted((k for k in self.points if k < best), reverse=True))
        high = self.losses.alike(best, sorted(k for k in self.points if k > best))
        place = max(self._vertex(best) + SHARPER, high)
        return place, min(low, place - 1), max(high, place)

    def _lowest(self) -> tuple[float, float, float]:
        """The place of the least score."""
        best = self._finest(self._scan(), (COARSE // 2, COARSE // 4))
        return self._vertex(best), best - 1, best + 1

    def _finest(self, best: int, steps: tuple[int, ...]) -> int:
        """The place of the least score, to the last of the steps."""
        for step in steps:
            for place in (best + step, best - step):
                self.at(place)
            best = self._least(self.points)
        return best

    def _vertex(self, best: int) -> float:
        """The minimum of a parabola through the scores around the least one."""
        near = [k for k in sorted(self.points) if abs(k - best) <= COARSE]
        scores = [self.score(k) / self.score(best) for k in near]
        if len(near) < 3:
            return best
        bend, slope, _ = np.polyfit([k - best for k in near], scores, 2)
        return best + float(np.clip(-slope / (2 * bend), -1, 1)) if bend > 0 else best

    def _root(self) -> tuple[float, float, float]:
        """The place of score zero; the score grows with the weight."""
        above, below = 0, 0
        while self._scored(above) < 0:
            above, below = self._further(above, COARSE, "below"), above
        while self._scored(below) > 0:
            below, above = self._further(below, -COARSE, "above"), below
        while above - below > 1:
            middle = (above + below) // 2
            above, below = (middle, below) if self._scored(middle) > 0 else (above, middle)
        low, high = self._scored(below), self._scored(above)
        return below + (low / (low - high) if low < high else 0.0), below, above

    def _further(self, place: int, step: int, side: str) -> int:
        """The next place of the scan.  Raises ArgumentError at the end of its range."""
        if len(self.points) >= MOST:
            raise ArgumentError(
                f"choose_weight: expected a weight whose residual is the noise, got residuals "
                f"{side} it down to weight {self.weight(place):.3g}; give the weight or the noise"
            )
        return place + step

    def _least(self, places: Any) -> int:
        """The place with the least score; of equal ones the largest."""
        return max(places, key=lambda k: (-self.score(k), k))

    def _scan(self) -> int:
        """The place of the least score among some COARSE apart, downwards from the first.

        Raises ArgumentError if the least score is at an end of the range."""
        places = [0, -COARSE]
        self._refuse_indifferent(*places)
        while self._scored(places[0]) <= self._scored(places[1]) and len(places) < MOST:
            places.insert(0, places[0] + COARSE)
        while not (ended := self._has_ended(places)) and len(places) < MOST:
            places.append(places[-1] - COARSE)
            self.at(places[-1])
        best = self._least(places)
        if not self.draws and self._is_flat(places):
            best = max(k for k in places if self._near(k, best))
        if best == places[0] or (best == places[-1] and not (self.draws and ended)):
            self._refuse_end(best, best == places[0])
        return best

    def _refuse_indifferent(self, place: int, other: int) -> None:
        """Raise ArgumentError for a denoiser that does the same whatever σ it is given."""
        same = self.steps > 1 and self._scored(place) == self._scored(other)
        if same and self.points[place].residual == self.points[other].residual:
            raise ArgumentError(
                "choose_weight: expected a denoiser that depends on sigma, got equal results for "
                f"weights {self.weight(place):.3g} and {self.weight(other):.3g}; use sigma in it"
            )

    def _has_ended(self, places: list[int]) -> bool:
        """Whether the last two weights brought nothing, after others that did.

        Among fits to a part of the data: nothing beyond chance."""
        if not self.draws:
            return self._has_risen(places) or self._is_flat(places)
        best, last = self._least(places), min(places[-2:], key=self.score)
        gained = self.losses.alike(best, [places[0]]) < places[0]
        return gained and len(places) > 2 and self.losses.alike(last, [places[-3]]) == places[-3]

    def _has_risen(self, places: list[int]) -> bool:
        """Whether the last two scores are larger than the least."""
        scores = [self.score(k) for k in places]
        return len(scores) > 2 and min(scores[-2:]) > min(scores)

    def _is_flat(self, places: list[int]) -> bool:
        """Whether the last two steps changed nothing, after others that did."""
        return len(places) > 3 and all(self._near(k, places[-1]) for k in places[-3:])

    def _near(self, place: int, other: int) -> bool:
        return abs(self.score(place) / self.score(other) - 1) < FLAT

    def _refuse_end(self, place: int, top: bool) -> None:
        what = (
            "a stronger prior fits ever better: look at the prior, or at the data"
            if top
            else "a weaker prior fits ever better: the data show no noise; leave out the prior"
        )
        raise ArgumentError(
            f"choose_weight: expected a weight between {self.weight(min(self.points)):.3g} and "
            f"{self.weight(max(self.points)):.3g} that fits best by {self.rule}, got the end "
            f"{self.weight(place):.3g}; {what}, or give the weight"
        )

    def _first_weight(self) -> float:
        """The weight for which w R of the rough solution is ABOVE times its f, or the noise.

        The weight of a denoiser, which has no R, is near the variance of the noise, 2 f / data."""
        f = self.problem.f
        size = self.count / 2 if self.steps > 1 else self._size_of(self.rough)
        noise = max(self.expected**2 / 2, float(f.values(self.rough).sum()))
        if not (size > 0 and math.isfinite(size) and noise > 0 and math.isfinite(noise)):
            raise ArgumentError(
                f"choose_weight: expected data and a prior that tell of the object, got noise of "
                f"f = {noise:g} and {type(self.problem.prior).__name__} = {size:g}; give the weight"
            )
        return ABOVE * noise / size

    def _roughly(self, solution: int) -> Vector:
        """A solution without prior, stopped before it fits the noise."""
        free = Problem(self.problem.f, constraint=self.problem.constraint)
        solver = choose_solver(free)
        iterations = min(max(solver.iterations // 5, 10), solution // 5, ROUGH)
        self.left -= iterations
        return self._solution(free, solver, Stop(iterations), "without prior").x

    # One point --------------------------------------------------------------------------------

    def at(self, place: int) -> Point:
        """The point of a place; its fit starts from that of the next larger weight."""
        if place not in self.points:
            self.points[place] = self._foretold(place) if self.draws else self._point(place)
        return self.points[place]

    def _scored(self, place: int) -> float:
        self.at(place)
        return self.score(place)

    def _fit(self, f: Any, place: int, known: dict[int, State]) -> Vector:
        iterations = max(LEAST, min(self.each if known else 2 * self.each, self.left // SHARE))
        self.left -= iterations + 1  # the residual of x0, or the score, is a product too
        near = min((k for k in known if k >= place), default=max(known, default=None))
        x0 = state = None
        if near is not None and self.solver.outlives_weight:
            state = deepcopy(known[near])
            state.change[:] = 1  # no slice has converged for this weight
        elif near is not None:
            x0 = known[near].x
        done = 0 if state is None else state.iteration
        problem = Problem(f, self.prior(self.weight(place)), self.problem.constraint)
        stop = Stop(done + iterations, self.stop.rtol)
        text = f"weight {self.weight(place):.3g}"
        known[place] = self._solution(problem, self.solver, stop, text, x0, state)
        return known[place].x

    def _solution(
        self,
        problem: Problem,
        solver: Solver,
        stop: Stop,
        text: str,
        x0: Vector | None = None,
        state: State | None = None,
    ) -> State:
        """The end of the next fit; fits of a search that was stopped are taken as they are."""
        number, self.solved = self.solved, self.solved + 1
        if number == len(self.solutions):
            follow = self._follow(stop.iterations, text)
            ended = solve(problem, solver, x0, stop, callback=follow, state=state)
            self.solutions.append(ended.state)
        return self.solutions[number]

    def _follow(self, iterations: int, text: str) -> Callable[[State], None]:
        """Tell the progress within a fit, whose iterations are counted as spent already."""

        def follow(state: State) -> None:
            if self.progress is not None:
                spent = self.budget - self.left - iterations + state.iteration
                self.progress(min(max(spent / (BEYOND * self.budget), 0), 1), text)

        return follow

    def _point(self, place: int) -> Point:
        f, weight = self.problem.f, self.weight(place)
        x = self._fit(f, place, self.fits)
        prior = self._size_of(x)
        size = math.sqrt(2 * float(f.values(x).sum()))
        if self.rule == "discrepancy":
            score = math.log(max(size, 1e-300) / self.expected)
            return Point(weight, size, prior, math.nan, score)
        freedom = self._freedom(x, place)
        score = size**2 / self.count / max(1 - freedom, 1e-3) ** 2
        return Point(weight, size, prior, freedom, score)

    def _foretold(self, place: int) -> Point:
        """The point of fits to parts of the data; the losses of the other parts are kept."""
        f, prior, size = self.problem.f, 0.0, 0.0
        means, total = [], vectors.size(f.A.out_shape)
        for blocks, part, known in self.draws:
            x = self._fit(part, place, known)
            each, value = losses_of(f, x)
            means.append(value * blocks.means(each))
            vectors.multiply(each, blocks.keep)
            fitted = value * sum(float(leaf.sum(dtype=np.float64)) for leaf in vectors.leaves(each))
            size += 2 * fitted * total / max(total - blocks.data, 1) / len(self.draws)
            prior += self._size_of(x) / len(self.draws)
        self.losses.means[place] = np.concatenate(means)
        return Point(self.weight(place), math.sqrt(size), prior, math.nan, math.nan)

    def _freedom(self, x: Vector, place: int) -> float:
        """df/m, from the response of the predicted data to the perturbation."""
        f = self.problem.f
        moved = self._fit(self.f_perturbed, place, self.perturbed)
        before, after = f.whitened(f.A.forward(x)), f.whitened(f.A.forward(moved))
        vectors.subtract(after, before)
        return float(vectors.dots(after, self.signs)[0]) / self.size / self.count

    def discrepancy(self) -> float:
        """The weight at which the residual of the fits is the noise.

        Between the fits by interpolation in logarithms, beyond them along the last slope."""
        places = sorted(self.points)
        residuals = [max(self.points[k].residual, 1e-300) for k in places]
        if not self.expected > 0 or len(places) < 2:
            return math.nan
        logs, wanted = np.maximum.accumulate(np.log(residuals)), math.log(self.expected)
        if logs[0] <= wanted <= logs[-1]:
            return self.weight(float(np.interp(wanted, logs, places)))
        i, j, end = (0, 1, 0) if wanted < logs[0] else (-2, -1, -1)
        slope = (logs[j] - logs[i]) / (places[j] - places[i])
        beyond = (wanted - logs[end]) / max(slope, 1e-3)
        return self.weight(places[end] + float(np.clip(beyond, -FARTHEST, FARTHEST)))

    def _size_of(self, x: Vector) -> float:
        """R(x); NaN for a prior that has none."""
        prior = self.prior(1.0)
        return float(prior.values(x).sum()) if prior.has_value else math.nan

    def prior(self, weight: float) -> Any:
        return self.problem.prior.with_weight(weight)  # type: ignore[union-attr]
