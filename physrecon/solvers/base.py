"""The one loop of all iterative solvers: advance, check the stopping rules, record, repeat.

Each slice of a separable problem stops on its own, by the first rule that it meets:

    ‖x − previous x‖ ≤ rtol ‖x‖      or      ‖W^½ (A x − y)‖ ≤ discrepancy     (Morozov 1966)
    or      F(x of iteration k/2) − F(x of iteration k) ≤ gain F(x),      F = f + R

The last estimates how far F is above its minimum F*, whatever the speed: where F − F* falls like
1/kᵖ, what is still to be gained is 1/(2ᵖ − 1) of what the last half of the iterations has gained.
It is one of them for p = 1, a third for p = 2, and next to nothing for linear convergence.

A solver that does not converge returns a result with a reason and raises no exception."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Numbers, Vector
from physrecon.errors import ArgumentError
from physrecon.problem import Problem
from physrecon.solvers import convergence
from physrecon.solvers.choose_solver import refuse_unsuited
from physrecon.solvers.refusals import refuse_other_things, refuse_state
from physrecon.solvers.result import Record, Result
from physrecon.solvers.state import Solver, State
from physrecon.solvers.units import Units, in_units

MOVING, CONVERGED, FITTED, DIVERGED, MINIMAL, UNBOUNDED = range(6)

# In standard deviations of the deviance of counts, for their automatic stop:
SETTLED = 2.0  # a gain of the last half of the iterations that may be noise
NOISE_FITTED = 5.0  # so far below its expectation it has certainly fitted noise


@dataclass(frozen=True)
class Stop:
    """When to stop; the first rule that is met decides.

    Args:
        iterations: the most iterations in all, those before a resume included; by default 100.
        rtol: relative change of x in one iteration; by default 0: stop only when x no longer
            changes at all.  The error of x may be larger by far: many small steps add up.
        gain: relative decrease of f + prior over the last half of the iterations; by default 0: not
            looked at.  It is looked at from iteration 16 on, at 4 iterations of each octave, which
            takes one A each for solvers that do not compute f(x).
        discrepancy: the norm ‖W^½ (A x − y)‖ expected from noise alone, in the unit of the data
            times √W (for other likelihoods √(2f)).  One number is the norm of the whole data; each
            of n slices gets 1/√n of it.  A sequence gives the norm of each slice.  "auto" takes the
            likelihood's own estimate from the data; for counts it also waits until the last half
            of the iterations lowered 2f by less than two of its standard deviations, or until 2f is
            five below its expectation.  By default none.
        seconds: time limit of this call [s]; by default none.
    Raises:
        ArgumentError: for numbers below 0 or not finite.
    Source:
        V. A. Morozov, Soviet Math. Dokl. 7 (1966) 414, for the discrepancy.

    Example:
        >>> problem = pr.Problem(pr.LeastSquares(pr.Diagonal([1, 2], (2,)), np.ones(2)))
        >>> pr.solve(problem, pr.Landweber(), stop=pr.Stop(iterations=3)).iterations
        3
        >>> pr.solve(problem, pr.Landweber(), stop=pr.Stop(discrepancy=0.1)).reason
        'fitted after 22 iterations: ‖W^½(Ax − y)‖ is down to the discrepancy'
    """

    iterations: int = 100
    rtol: float = 0.0
    discrepancy: float | Sequence[float] | str | None = None
    seconds: float | None = None
    gain: float = 0.0

    def __post_init__(self) -> None:
        if not vectors.is_whole(self.iterations) or self.iterations < 0:
            raise ArgumentError(
                f"Stop.iterations: expected a whole number >= 0, got {self.iterations!r}"
            )
        for name in ("rtol", "discrepancy", "seconds", "gain"):
            value = getattr(self, name)
            auto = name == "discrepancy" and isinstance(value, str) and value == "auto"
            if auto or (value is None and name not in ("rtol", "gain")):
                continue
            try:
                numbers = np.array(value, np.float64)
                if np.array(value).dtype == bool:
                    numbers = np.array(np.nan)
            except (TypeError, ValueError):
                numbers = np.array(np.nan)
            most = 1 if name == "discrepancy" else 0
            if numbers.ndim > most or not (np.isfinite(numbers) & (numbers >= 0)).all():
                raise ArgumentError(f"Stop.{name}: expected a finite number >= 0, got {value!r}")
            plain = tuple(numbers.tolist()) if numbers.ndim else float(numbers)
            object.__setattr__(self, name, plain)

    def norms(self, problem: Problem) -> Numbers:
        """The discrepancy of each slice of the problem."""
        count = problem.count
        if self.discrepancy == "auto":
            return np.sqrt(problem.gather(problem.f.expected_norms() ** 2))
        wanted = np.asarray(self.discrepancy, np.float64)
        if wanted.ndim == 0:
            return np.full(count, wanted / np.sqrt(max(count, 1)))
        if wanted.shape != (count,):
            raise ArgumentError(
                f"Stop.discrepancy: expected one number or {count} (one a slice), got {len(wanted)}"
            )
        return wanted


def solve(
    problem: Problem,
    solver: Solver,
    x0: ArrayLike | tuple[ArrayLike, ...] | None = None,
    stop: Stop | None = None,
    callback: Callable[[State], object] | None = None,
    state: State | None = None,
) -> Result:
    """Iterate until a stopping rule is met.

    A solver that does not converge returns a result that says so in `reason`; it raises nothing.
    An operator that is not of this package is tried once: one A, one Aᵀ (see `proved_adjoint`).

    Args:
        problem: likelihood, prior and constraint.
        solver: an algorithm with its settings, such as SIRT(); `methods.md` lists them.
        x0: starting point of shape A.in_shape, not modified; by default zeros.
        stop: when to stop; by default Stop(), 100 iterations.
        callback: called with the state after each iteration; a true return value ends the loop.
        state: continue from this state instead of x0, bit for bit as without a break; it is
            modified.
    Returns:
        Result: x in the dtype and on the machine of the data, the reason, the history.
    Raises:
        ArgumentError: for a wrong adjoint, for a prior or a constraint that the solver cannot use,
            and for an operator without what it needs.

    Example:
        >>> A = pr.Diagonal([1, 2], (2,))
        >>> f = pr.LeastSquares(A, np.array([3.0, -4.0]))
        >>> problem = pr.Problem(f, constraint=pr.NonNegative())
        >>> result = pr.solve(problem, pr.FISTA(), stop=pr.Stop(iterations=200, rtol=1e-6))
        >>> result.x.round(3).tolist()
        [3.0, 0.0]
    """
    if solver is None:
        raise ArgumentError("solve: expected a solver, got None; pass pr.SIRT() say")
    refuse_other_things("solve", problem, solver, stop, callback)
    refuse_unsuited(problem, solver)
    return _run(problem, solver, x0, Stop() if stop is None else stop, callback, state)


def _run(
    user_problem: Problem,
    solver: Solver,
    x0: Vector,
    stop: Stop,
    callback: Callable[[State], object] | None,
    state: State | None,
) -> Result:
    problem, began = user_problem, time.perf_counter()
    norms = None if stop.discrepancy is None else _norms(problem, stop)
    spread = _spread(problem, stop)
    if state is None:
        problem.refuse_wrong_adjoint(x0)
        problem, solver, units = in_units(problem, solver)
        state = units.start(problem, solver, x0)
    elif x0 is not None:
        raise ArgumentError("solve: expected x0 or state, got both")
    else:
        refuse_state(problem, solver, state)
        problem, solver, units = in_units(problem, solver, state.data_unit)
        state = units.enter(state)
    norms = None if norms is None else norms / np.sqrt(units.value)
    spread = None if spread is None else spread / units.value
    verdict = _judge(problem, state, stop, norms, spread)
    history: list[Record] = []
    ending = ""
    while (verdict == MOVING).any():
        ending = _limit(state, stop, time.perf_counter() - began)
        if ending:
            break
        state.active = verdict == MOVING
        state = _advance(problem, solver, state)
        _note(problem, state, stop, spread)
        verdict = _judge(problem, state, stop, norms, spread)
        history.append(_record(state, units, time.perf_counter() - began))
        if callback is not None and _asked(callback, units, state):
            ending = f"stopped by the callback after {state.iteration} iterations"
            break
    units.leave(state)
    ended = _reason(state, stop, verdict, ending)
    reasons = (ended, solver.remark(state), units.overflow(state))
    reason = "; ".join(reason for reason in reasons if reason)
    return Result(state.x, reason, state.iteration, history, state, user_problem)


def _asked(callback: Callable[[State], object], units: Units, state: State) -> bool:
    """Whether the callback, which sees the state in the units of the user, ends the loop."""
    asked = callback(units.leave(state))
    units.enter(state)
    return bool(asked)


def iterate(
    problem: Problem, solver: Solver, x0: ArrayLike | tuple[ArrayLike, ...] | None = None
) -> Iterator[State]:
    """Yield the states after iterations 1, 2, 3, … without end; the caller breaks the loop.

    Args:
        problem: likelihood, prior and constraint.
        solver: an algorithm with its settings.
        x0: starting point of shape A.in_shape, not modified; by default zeros.
    Returns:
        Iterator[State]: the next state reuses the arrays of the last; copy those you want to keep.
    Raises:
        ArgumentError: as `solve`, at the call.

    Example:
        >>> problem = pr.Problem(pr.LeastSquares(pr.Identity(2), np.array([4.0, 8.0])))
        >>> for state in pr.iterate(problem, pr.Landweber(step=0.25)):  # half of the way each time
        ...     print(state.iteration, state.x.round(2).tolist())
        ...     if state.iteration == 3:
        ...         break
        1 [2.0, 4.0]
        2 [3.0, 6.0]
        3 [3.5, 7.0]
    """
    if solver is None:
        raise ArgumentError("iterate: expected a solver, got None; pass pr.SIRT() say")
    refuse_other_things("iterate", problem, solver)
    refuse_unsuited(problem, solver)
    return _states(problem, solver, x0)


def _states(problem: Problem, solver: Solver, x0: Vector) -> Iterator[State]:
    problem.refuse_wrong_adjoint(x0)
    problem, solver, units = in_units(problem, solver)
    state = units.start(problem, solver, x0)
    while True:
        state = _advance(problem, solver, state)
        yield units.leave(state)
        units.enter(state)


def _advance(problem: Problem, solver: Solver, state: State) -> State:
    with np.errstate(over="ignore", invalid="ignore"):  # _judge detects and reports overflow
        return solver.advance(problem, state)


def _judge(
    problem: Problem, state: State, stop: Stop, norms: Numbers | None, spread: Numbers | None
) -> Any:
    """The verdict on each slice, MOVING or why it stops.

    It depends on the state alone.  A resumed run therefore judges as an uninterrupted one, and
    under a stricter rule the stopped slices continue exactly where they stopped."""
    verdict = np.full(len(state.active), MOVING)
    if state.iteration > 0:
        verdict[state.change <= stop.rtol] = CONVERGED
    if stop.gain:
        verdict[convergence.gained(state) <= stop.gain] = MINIMAL
    if norms is not None:
        if state.value is None:
            state.value = problem.values(state.x)
        left = problem.f.residual_norms(state.value)
        fits = left <= norms
        if spread is not None:
            fits &= _settled(state, spread) | (left**2 <= norms**2 - NOISE_FITTED * spread)
        verdict[fits] = FITTED
    if state.iteration > 0:
        verdict[~np.isfinite(state.change)] = DIVERGED
    if state.value is not None:  # f = ∞ is legal: counts where none are expected
        verdict[np.isnan(state.value)] = DIVERGED
        if state.descends and problem.least_values is not None:
            verdict[state.value < problem.least_values] = UNBOUNDED
    return verdict


def _note(problem: Problem, state: State, stop: Stop, spread: Numbers | None) -> None:
    """Record the values that the rules of `stop` compare with earlier ones."""
    if spread is not None:
        _mark(problem, state)
    if stop.gain:
        convergence.note(problem, state)


def _mark(problem: Problem, state: State) -> None:
    """Record f(x) at iterations 2ⁿ and 3 · 2ⁿ: the third last is of half as many iterations."""
    if state.value is None:
        state.value = problem.values(state.x)
    k = state.iteration
    if k // (k & -k) in (1, 3):
        last = np.full((3, len(state.value)), np.inf) if state.marks is None else state.marks
        state.marks = np.vstack([last[1:], state.value])


def _settled(state: State, spread: Numbers) -> Any:
    """Whether the last half of the iterations lowered 2f by little more than noise lets it vary.

    Where a fit is down to the expected deviance, 2f hardly tells it from a better one: the
    iterations that follow lower it by a few per cent, and the error of x by a third."""
    if state.marks is None:
        return np.zeros(len(state.active), bool)
    with np.errstate(invalid="ignore"):  # f = ∞
        return 2 * (state.marks[0] - state.marks[2]) <= SETTLED * spread


def _spread(problem: Problem, stop: Stop) -> Numbers | None:
    """Standard deviation of 2f from noise alone, for the automatic stop of counts."""
    if stop.discrepancy != "auto" or not hasattr(problem.f, "deviance_spread"):
        return None
    return np.sqrt(problem.gather(problem.f.deviance_spread() ** 2))


def _norms(problem: Problem, stop: Stop) -> Numbers:
    needed = "expected_norms" if stop.discrepancy == "auto" else "residual_norms"
    if not hasattr(problem.f, needed):
        raise ArgumentError(
            f"Stop.discrepancy: expected a likelihood with {needed}, such as LeastSquares, "
            f"got {type(problem.f).__name__}"
        )
    return stop.norms(problem)


def _limit(state: State, stop: Stop, seconds: float) -> str:
    """A sentence on the limit that is reached, or ""."""
    if state.iteration >= stop.iterations:
        return f"stopped at the limit of {stop.iterations} iterations"
    if stop.seconds is not None and seconds >= stop.seconds:
        return f"stopped at the limit of {stop.seconds:g} s after {state.iteration} iterations"
    return ""


def _record(state: State, units: Units, seconds: float) -> Record:
    moved = state.change[state.active]
    value = float("nan") if state.value is None else float(state.value.sum()) * units.value
    return Record(state.iteration, value, float(moved.max(initial=0)), len(moved), seconds)


def _reason(state: State, stop: Stop, verdict: Any, ending: str) -> str:
    """Why the loop ended, as a sentence."""
    after = f"after {state.iteration} iterations"
    moves = stop.rtol > 0 and bool((state.change > 0).any())
    sentences = {
        CONVERGED: f"stopped {after}: x changed by no more than rtol = {stop.rtol:g} in the last "
        "one, which is no bound of its error"
        if moves
        else f"converged {after}: x no longer changes",
        FITTED: f"fitted {after}: ‖W^½(Ax − y)‖ is down to the discrepancy",
        MINIMAL: f"converged {after}: the last half of them lowered f + prior by no more than "
        f"gain = {stop.gain:g} of it",
        DIVERGED: f"diverged {after}: x or f(x) is no longer finite; check the data and the scale",
        UNBOUNDED: f"unbounded {after}: f falls without end, for A x + background < 0 where there "
        "are no counts; add constraint=pr.NonNegative()",
    }
    counts = {kind: int((verdict == kind).sum()) for kind in sentences}
    total = len(verdict)
    if not total:
        return "nothing to do: there are no slices"
    for kind, sentence in sentences.items():
        if counts[kind] == total:
            return sentence
    words = {
        CONVERGED: "within rtol" if moves else "unchanged",
        FITTED: "fitted",
        MINIMAL: "converged",
        DIVERGED: "diverged",
        UNBOUNDED: "unbounded",
    }
    tally = ", ".join(f"{counts[k]} {word}" for k, word in words.items() if counts[k])
    moving = verdict == MOVING
    if not moving.any():
        return f"all {total} slices stopped {after}: {tally}"
    largest = state.change[moving].max()
    if state.iteration:
        ending += f", x still changing by {largest:.2g}"
    return f"{ending} ({tally} of {total} slices)" if tally else ending
