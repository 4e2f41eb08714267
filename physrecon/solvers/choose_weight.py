"""The weight w of a prior in  f(x) + w R(x), chosen from the data.

x_w is the solution for the weight w.  ρ = √(2 f(x_w)) is its residual norm: ‖W^½ (A x_w − y)‖ for
least squares.  m is the number of data, δ the norm of the noise that the likelihood expects.

"held-out"     the loss of data that the fits leave out, in blocks wider than the correlation of the
               noise: the largest weight that it does not tell from that of the least loss
               (`solvers.held_out`); needs no noise level, any likelihood
"gcv"          the least ρ² / (1 − df/m)², for white noise; needs no noise level (Golub, Heath and
               Wahba 1979)
"discrepancy"  ρ = δ, the residual of noise alone (Morozov 1966): usually too smooth, since the
               degrees of freedom of x_w are not subtracted from m; for a noise level that is known

df, the degrees of freedom of the solution, is the trace of the map from W^½ y to W^½ A x_w.  It is
measured by one perturbation of the data with random signs (Girard 1989; for solutions that are not
linear in the data Ramani, Blu and Unser 2008).

Search and solution cost as many products with A as three solutions (`solvers.weight_search`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from physrecon.arrays.vectors import Vector
from physrecon.catalog import WEIGHT_RULES
from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.base import Stop, solve
from physrecon.solvers.choose_solver import choose_solver
from physrecon.solvers.refusals import refuse_other_things
from physrecon.solvers.result import Result
from physrecon.solvers.state import Solver, State
from physrecon.solvers.weight_search import USUAL, Point, Progress, Search

FAR = 10.0  # factor between two estimates of the weight that is told


@dataclass(frozen=True)
class WeightChoice:
    """The chosen weight, the rule, and the curve by increasing weight.

    low, high: the weights between which the data prefer none.  problem: the problem with the chosen
    weight.  expected: δ, with the noise that neighbours share.  discrepancy: the weight of that
    rule, read off the same fits.  start: the fit of the nearest weight."""

    weight: float
    rule: str
    low: float
    high: float
    expected: float
    discrepancy: float
    curve: list[Point]
    problem: Problem
    start: Vector
    solver: Solver
    stop: Stop

    def __repr__(self) -> str:
        return (
            f"WeightChoice: {self.weight:.4g} by {self.rule}, from {len(self.curve)} fits\n"
            f"  the data prefer none between {self.low:.3g} and {self.high:.3g}; discrepancy: "
            f"{self.discrepancy:.3g}"
        )

    @cached_property
    def result(self) -> Result:
        """The solution with the chosen weight, computed when it is asked for."""
        return solve(self.problem, self.solver, self.start, self.stop)

    @property
    def misfit(self) -> float:
        """ρ/δ at the weight of the curve next to the chosen one; NaN if δ is 0."""
        near = min(self.curve, key=lambda p: abs(math.log(p.weight / self.weight)))
        return near.residual / self.expected if self.expected > 0 else math.nan

    @property
    def contradicted(self) -> bool:
        """Whether the discrepancy asks for a weight that is far from the chosen one."""
        ratio = self.discrepancy / self.weight
        return self.expected > 0 and not 1 / FAR <= ratio <= FAR

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
        noise = self.expected if self.expected > 0 else None
        title = f"weight {self.weight:.3g}, chosen by {self.rule}"
        draw(path, weights, panels, self.weight, title, noise)


def choose_weight(
    problem: Problem,
    rule: str = WEIGHT_RULES[0],
    solver: Solver | None = None,
    stop: Stop | None = None,
    progress: Progress | None = None,
    solutions: list[State] | None = None,
) -> WeightChoice:
    """Choose the weight of problem.prior from the data; the weight that it has is ignored.

    All of x gets one weight.  The search costs about two solutions: pass few slices of a large x.

    Args:
        problem: with a prior.
        rule: "held-out" (default), "gcv" or "discrepancy", see `solvers.choose_weight`.
        solver: by default the one that suits the problem.
        stop: of the solution; by default the usual iterations of the solver, and 100 at least.
        progress: progress(fraction, text), called after each iteration.
        solutions: fits of a call that was stopped, not computed again; new ones are appended.
    Returns:
        WeightChoice: weight, curve, `result` (solved when it is asked for), `plot(path)`.
    Raises:
        ArgumentError: for a problem without a prior, and for data that prefer no weight.

    Example:
        >>> y = np.sin(np.linspace(0, 40, 2000))
        >>> data = pr.GaussianNoise(0.5).sample(y, seed=0)
        >>> f = pr.LeastSquares(pr.Identity(2000), data)
        >>> choice = pr.choose_weight(pr.Problem(f, pr.Tikhonov(1.0, pr.Gradient)))
        >>> choice.rule, choice.weight > 1
        ('held-out', True)
        >>> bool(np.linalg.norm(choice.result.x - y) < 0.5 * np.linalg.norm(data - y))
        True
    """
    refuse_other_things("choose_weight", problem, solver, stop)
    if rule not in WEIGHT_RULES:
        raise ArgumentError(
            f"choose_weight: expected one of {', '.join(WEIGHT_RULES)}, got {rule!r}"
        )
    if problem.prior is None:
        raise ArgumentError("choose_weight: expected a problem with a prior, got none; set one")
    solver = solver or choose_solver(problem)
    stop = stop or Stop(max(USUAL, solver.iterations))
    search = Search(problem, rule, solver, stop, progress, solutions)
    place, low, high = search.find()
    weight = search.weight(place)
    return WeightChoice(
        weight,
        rule,
        search.weight(low),
        search.weight(high),
        search.expected,
        search.discrepancy(),
        search.curve(),
        Problem(problem.f, search.prior(weight), problem.constraint),
        search.fits[min(search.fits, key=lambda k: abs(k - place))].x,
        solver,
        stop,
    )
