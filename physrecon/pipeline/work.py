"""The piece in work: its progress is shown, its state is kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from physrecon.cancellation import cancellation_point, postponed
from physrecon.pipeline.forecast import Forecast
from physrecon.pipeline.kept_work import KeptWork
from physrecon.problem import Problem
from physrecon.solvers import Result, Solver, Stop, solve
from physrecon.solvers.result import Record
from physrecon.solvers.state import State


class PieceWork(ExitStack):
    """A piece that is being made; a context manager, at whose end it is on the disk.

    From the first iteration on a signal waits for the end of one, whose state is kept, and from the
    last one on for the end of the block.
    progress(part, text, end, inner): a part is done of all that the limits allow; it is expected to
    end at `end`, None if that is not foreseen; `inner` seconds were spent in inner iterations."""

    def __init__(self, progress: Callable[..., Any], kept: KeptWork, device: str) -> None:
        super().__init__()
        self.progress, self.kept, self.device = progress, kept, device
        self.history: list[Record] = []  # of this run
        self.iterations = 0  # in all, those before a stop included

    def solve(self, problem: Problem, solver: Solver, stop: Stop, x0: Callable[[], Any]) -> Result:
        """The problem solved, from where a run that was stopped left it, or from x0().

        Raises KeyboardInterrupt after an iteration, whose state is kept, if a signal came."""
        y = problem.f.y
        state = self.kept.state(self.device, y if self.device == "cpu" else None)
        forecast = Forecast(problem, stop)

        def follow(state: State) -> bool:
            self.iterations = state.iteration
            end = forecast.after(state)
            most = max(stop.iterations, 1)
            part, at = state.iteration / most, end and end / most
            self.progress(part, forecast.text(state), at, state.inner_seconds)
            return self.kept.after(state)

        self.enter_context(postponed())
        first = None if state else x0()
        result = solve(problem, solver, first, stop, callback=follow, state=state)
        self.history, self.iterations = result.history, result.iterations
        if self.kept.asked:
            self.close()
            cancellation_point()
        return result
