"""What every kind of job may leave to be found in its data: the weight of its prior."""

from __future__ import annotations

from typing import Any

from physrecon.pipeline.messages import Messages
from physrecon.pipeline.problem import make_solver
from physrecon.pipeline.task import Task
from physrecon.solvers.choose_weight import choose_weight


def with_weight(task: Task, messages: Messages) -> Any:
    """The job of a task with the weight of its prior, chosen on a part of its data."""
    job = task.job
    if job.prior is None or job.prior.weight != "auto":
        return job
    problem, stop, where = task.weight_problem()
    with messages.progress("weight", 1, "choice"):
        choice = choose_weight(problem, job.prior.rule, make_solver(job), stop)
    weight = float(f"{choice.weight:.3g}")  # finer than it matters, and the same on every machine
    messages.result(
        f"weight: {weight} (found, {job.prior.rule} of {len(choice.curve)} solutions, {where})"
    )
    prior = job.prior.model_copy(update={"weight": weight})
    return job.model_copy(update={"prior": prior})
