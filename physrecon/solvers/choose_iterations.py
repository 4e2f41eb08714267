"""The number of iterations of a solver that has no prior, chosen from the data.

Each iteration of Richardson–Lucy, MLEM and their likes brings detail, and then noise.  The solver
runs on a part of the data, in blocks wider than the correlation of the noise, and after 1, 2, 3, 4,
6, 8, 12 … iterations it foretells the rest.  The fewest iterations are taken that these data do not
tell from the best number (`solvers.held_out`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers.base import Stop, solve
from physrecon.solvers.choose_solver import choose_solver
from physrecon.solvers.held_out import Blocks, Losses, losses_of, residual, widths
from physrecon.solvers.state import Solver, State

MOST = 10  # iterations at most, in units of the usual ones of the solver
ROUGH = 10  # iterations whose residual tells the correlation of the noise
FEW = 5  # blocks; what fewer tell is chance
BEYOND = 4  # numbers of iterations beyond the best one, after which the search ends


@dataclass(frozen=True)
class IterationChoice:
    """The chosen number, and the numbers between which the data prefer none.

    ended: whether the data got worse at last; if not, more than `high` may be better still."""

    iterations: int
    low: int
    high: int
    ended: bool


def choose_iterations(
    problem: Problem,
    solver: Solver | None = None,
    most: int | None = None,
    progress: Callable[[float, str], Any] | None = None,
) -> IterationChoice:
    """Choose when to stop a solver that fits noise in the end.

    Costs about four times as many iterations as it finds: pass few slices of a large x.  solver:
    None takes `choose_solver(problem)`.  most: iterations that are tried; None means ten times the
    usual ones of the solver.  progress(fraction, text): called after each iteration.  Data without
    noise may get no worse: `ended` is false then.  Raises ArgumentError for too few data.

    >>> x = np.tile(np.repeat([10.0, 90.0], 60), 25)
    >>> A = pr.Blur(pr.psf.gaussian((15,), sigma=2.5), x.shape, "reflect")
    >>> counts = np.random.default_rng(0).poisson(A @ x).astype(float)
    >>> problem = pr.Problem(pr.PoissonLikelihood(A, counts), constraint=pr.NonNegative())
    >>> choice = pr.choose_iterations(problem, pr.RichardsonLucy())
    >>> choice.ended, choice.low <= choice.iterations <= choice.high
    (True, True)
    """
    solver = solver or choose_solver(problem)
    limit = MOST * solver.iterations if most is None else most
    if limit < 1:
        raise ArgumentError(f"choose_iterations: expected most >= 1, got {most}; allow more")
    f = problem.f
    rough = solve(problem, solver, stop=Stop(min(ROUGH, limit))).x
    blocks = Blocks(f.y, widths(residual(f, rough)))
    if blocks.count < FEW:
        raise ArgumentError(
            f"choose_iterations: expected data of {FEW} blocks that can be left out, got "
            f"{blocks.count}; give the number of iterations"
        )
    tried: list[int] = []
    losses = Losses()

    def follow(state: State) -> bool:
        if progress is not None:
            progress(state.iteration / limit, f"iteration {state.iteration}")
        if _is_mark(state.iteration):
            each, value = losses_of(f, state.x)
            losses.means[len(tried)] = value * blocks.means(each)
            tried.append(state.iteration)
        return len(tried) - 1 - _best(losses) >= BEYOND

    part = Problem(f.masked(blocks.keep), problem.prior, problem.constraint)
    solve(part, solver, stop=Stop(limit), callback=follow)
    best = _best(losses)
    low = losses.alike(best, list(range(best - 1, -1, -1)))
    high = losses.alike(best, list(range(best + 1, len(tried))))
    fewest, largest = _between(tried, low), _between(tried, high)
    return IterationChoice(fewest, fewest, largest, ended=best < len(tried) - 1)


def _is_mark(iteration: int) -> bool:
    """Whether it is one of 1, 2, 3, 4, 6, 8, 12, 16, 24 …"""
    return iteration & (iteration - 1) == 0 or (
        iteration % 3 == 0 and (iteration // 3) & (iteration // 3 - 1) == 0
    )


def _best(losses: Losses) -> int:
    """The place of the least score, the first of equal ones."""
    return min(losses.means, key=losses.score, default=0)


def _between(tried: list[int], place: float) -> int:
    logs = np.log(tried)
    return round(math.exp(float(np.interp(place, np.arange(len(tried)), logs))))
