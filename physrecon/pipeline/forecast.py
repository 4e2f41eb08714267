"""After how many iterations a stopping rule will be met: its measure is continued by a law.

A measure m that falls like 1/kᵖ meets its bound b at iteration  k (m/b)^(1/p),  one that falls like
exp(−r k) at  k + ln(m/b) / r;  p and r are taken from the last half of the iterations.  Of the two
laws the one is taken that would have foretold the present measure better.  The slowest slice
decides, and the rule that is met first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from physrecon.problem import Problem
from physrecon.solvers import Stop, convergence
from physrecon.solvers.state import State

AGREE = 1.3  # factor between two estimates that agree
LEAST_POWER = 0.25  # of a measure that falls at all


class Forecast:
    """The iteration at which the solution of a problem is expected to end."""

    def __init__(self, problem: Problem, stop: Stop) -> None:
        self.stop = stop
        self._residuals = getattr(problem.f, "residual_norms", None)
        norms = None if stop.discrepancy in (None, "auto") else stop.norms(problem)
        self._norms = norms
        self._measures: dict[str, list[tuple[int, float]]] = {}  # rule → (k, m/b)
        self._estimated = math.inf  # at the last mark
        self._end: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether a rule may end the iterations before their limit."""
        return bool(self.stop.gain or self.stop.rtol or self.stop.discrepancy is not None)

    def after(self, state: State) -> float | None:
        """The iteration at which it is expected to end; None while that is not foreseen.

        It is, once two estimates in a row agree: early measures do not fall by a power law yet."""
        if not self.is_open:
            return self.stop.iterations
        if convergence.is_mark(state.iteration):
            self._estimate(state)
        if self._end is None:
            return None
        return min(max(self._end, state.iteration), self.stop.iterations)

    def _estimate(self, state: State) -> None:
        ends = []
        for rule, measure in self._now(state).items():
            known = self._measures.setdefault(rule, [])
            if math.isfinite(measure):
                known.append((state.iteration, measure))
            end = _meets(known)
            mark = rule == "gain" and end <= self.stop.iterations
            ends.append(convergence.next_mark(end) if mark else end)
        estimate = min(ends, default=math.inf)
        agree = 1 / AGREE <= estimate / self._estimated <= AGREE
        if self._end is not None or (agree and estimate <= self.stop.iterations):
            self._end = estimate
        self._estimated = estimate

    def text(self, state: State) -> str:
        return f"iteration {state.iteration}/{self.stop.iterations}"

    def _now(self, state: State) -> dict[str, float]:
        """The measure of each rule in units of its bound, of the slowest slice."""
        found: dict[str, Any] = {}
        active = state.active
        if self.stop.gain:
            found["gain"] = convergence.gained(state) / self.stop.gain
        if self.stop.rtol:
            found["rtol"] = state.change / self.stop.rtol
        if self._norms is not None and state.value is not None and self._residuals:
            with np.errstate(divide="ignore", invalid="ignore"):
                found["discrepancy"] = self._residuals(state.value) / self._norms
        return {
            rule: float(np.max(values[active])) for rule, values in found.items() if active.any()
        }


def _meets(known: list[tuple[int, float]]) -> float:
    """The iteration at which a measure is expected to reach 1."""
    if len(known) < 2:
        return math.inf
    k, m = known[-1]
    j, n = _until(k / 2, known) or known[0]
    if m <= 1:
        return k
    if not (n > m):
        return math.inf
    fall = math.log(n / m)
    power = k * m ** (1 / max(fall / math.log(k / j), LEAST_POWER))
    return k + math.log(m) / fall * (k - j) if _is_exponential(known) else power


def _until(k: float, known: list[tuple[int, float]]) -> tuple[int, float] | None:
    """The last measure of the first k iterations."""
    return next((pair for pair in reversed(known) if pair[0] <= k), None)


def _is_exponential(known: list[tuple[int, float]]) -> bool:
    """Whether exp(−r k) through two earlier measures foretells the last one better than 1/kᵖ."""
    k, m = known[-1]
    first, middle = _until(k / 3, known), _until(2 * k / 3, known)
    if not (first and middle and first[1] > middle[1]):
        return False
    (i, before), (j, n) = first, middle
    fell, fall = math.log(before / n), math.log(n / m)
    power = fell * math.log(k / j) / math.log(j / i)
    return abs(fall - fell * (k - j) / (j - i)) < abs(fall - power)
