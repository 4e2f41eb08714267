"""The solver, the prior, the problem and the solution of a job of any kind."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from physrecon.catalog import PRIORS, WEIGHT_RULES, find
from physrecon.errors import Interrupted
from physrecon.jobs.model import Job
from physrecon.jobs.settings import PriorTable
from physrecon.pipeline.kept_work import KeptWork
from physrecon.pipeline.messages import Messages
from physrecon.pipeline.work import PieceWork
from physrecon.priors import NonNegative, Prior
from physrecon.problem import Problem
from physrecon.solvers import Result, Stop
from physrecon.solvers.choose_iterations import choose_iterations
from physrecon.solvers.choose_weight import WeightChoice, choose_weight


def make_solver(job: Job) -> Any:
    """The solver of an iterative method, with its settings.  Raises ArgumentError."""
    return find(job.solvers, job.method)(**job.solver)


def make_prior(
    table: PriorTable | None, voxel_size: tuple[float, ...], axes: tuple[int, ...]
) -> Prior | None:
    """The prior, of weight 1 if the weight is still to be chosen.

    voxel_size: along every axis; lengths in the prior are counted in that along the last, so that
    the weight does not depend on the unit.  axes: those it couples.  Raises ArgumentError."""
    if table is None:
        return None
    kind = find(PRIORS, table.name)
    placed = {"axes": axes, "spacing": tuple(voxel_size[axis] / voxel_size[-1] for axis in axes)}
    known = {field.name for field in fields(kind)}
    weight = 1.0 if table.factor else float(table.weight)
    return kind(weight, **table.settings, **{k: v for k, v in placed.items() if k in known})


def make_problem(job: Job, f: Any, voxel_size: tuple[float, ...], axes: tuple[int, ...]) -> Problem:
    """The likelihood f with the prior and the constraint that the job names.

    voxel_size: along the axes of the volume.  axes: those that the prior couples.
    Raises ArgumentError for settings that do not fit."""
    prior = make_prior(job.prior, voxel_size, axes)
    return Problem(f, prior, NonNegative() if job.nonnegative else None)


def solved(
    job: Job, problem: Problem, stop: Stop, work: PieceWork, x0: Callable[[], Any] = lambda: None
) -> Result:
    """The problem solved by the method of the job.  x0(): where to start."""
    return work.solve(problem, make_solver(job), stop, x0)


def with_iterations(job: Any) -> Any:
    """The job with the number of iterations that suits its method, unless it has one."""
    if job.method not in job.solvers or job.stop.iterations:
        return job
    settings = job.usual_stop(find(job.solvers, job.method).iterations)
    return job.model_copy(update={"stop": job.stop.model_copy(update=settings)})


def with_choices(
    job: Any,
    part: Callable[[], tuple[Problem, str]],
    messages: Messages,
    kept: KeptWork,
    identity: Callable[[], str],
) -> Any:
    """The job with the weight of its prior, or the number of its iterations, if they are auto.

    part(): the problem of a part of its data, on which they are chosen, and its place in words.
    kept: may know the weight, if a run of this identity was stopped after the choice."""
    if job.stop.iterations == "auto":
        iterations = _chosen_iterations(job, part, messages)
        return job.model_copy(
            update={"stop": job.stop.model_copy(update={"iterations": iterations})}
        )
    return with_weight(job, part, messages, kept, identity)


def _chosen_iterations(
    job: Any, part: Callable[[], tuple[Problem, str]], messages: Messages
) -> int:
    """The number of iterations before the data of a part show that noise is being fitted."""
    problem, where = part()
    with messages.progress("iterations", 1, "choice") as progress:
        progress.describe(f"iterations of {job.method}, by fits of {where}", may_end=True)
        step = progress.within(1)
        choice = choose_iterations(
            problem, make_solver(job), progress=lambda part, text: step(part, text, None)
        )
    messages.result(
        f"iterations: {choice.iterations} (auto, held-out, {where}; "
        f"{choice.low} to {choice.high} fit as well)"
    )
    if not choice.ended:
        messages.warn(
            f"iterations: the data left out are foretold ever better up to {choice.high}: they "
            "show no noise, or the method is slow; give --iterations, or a faster --method"
        )
    return choice.iterations


def with_weight(
    job: Any,
    part: Callable[[], tuple[Problem, str]],
    messages: Messages,
    kept: KeptWork,
    identity: Callable[[], str],
) -> Any:
    """The job with the weight of its prior, chosen on a part of its data.

    part(): the problem of that part, and its place in words.  kept: may know the weight, if a run
    of this identity was stopped after the choice."""
    factor = job.prior.factor if job.prior is not None else None
    if factor is None:
        return job
    weight = kept.weight(identity())
    if weight is None:
        weight = _chosen(job, factor, part, messages, kept)
        kept.keep_weight(weight)
    else:
        messages.result(
            f"weight: {weight} ({job.prior.weight}, chosen by the run that was stopped)"
        )
    prior = job.prior.model_copy(update={"weight": weight})
    return job.model_copy(update={"prior": prior})


def words_of_choices(asked: Any, job: Any) -> dict[str, str]:
    """How weight and iterations of a job were found, if not given with the job asked for."""
    if asked.stop.iterations == "auto":
        return {"found_iterations": f"{job.stop.iterations} (auto, by held-out data)"}
    if asked.prior is None or asked.prior.factor is None:
        return {}
    return {"found_weight": f"{job.prior.weight} ({asked.prior.weight}, by {job.prior.rule})"}


def _chosen(
    job: Any,
    factor: float,
    part: Callable[[], tuple[Problem, str]],
    messages: Messages,
    kept: KeptWork,
) -> float:
    """The weight that suits the data of a part, times the factor."""
    problem, where = part()
    solver = make_solver(job)
    # without a limit of the user, iterations end at convergence: the usual number decides here
    stop = None if job.stop.gain else Stop(iterations=int(job.stop.iterations or 0))
    with messages.progress("weight", 1, "choice") as progress:
        progress.describe(f"weight of {job.prior.name}, by fits of {where}", may_end=True)
        step, solutions = progress.within(1), kept.solutions(job.device)

        def follow(part: float, text: str) -> None:
            step(part, text, None)  # the search ends when the curve is known
            kept.keep_solutions(solutions)

        try:
            choice = choose_weight(problem, job.prior.rule, solver, stop, follow, solutions)
        except KeyboardInterrupt:
            kept.keep_solutions(solutions, now=True)
            if not (solutions and kept.path.is_file()):
                raise
            raise Interrupted(
                f"{job.output}: stopped, {len(solutions)} fits of the search for the weight are "
                f"kept in {kept.path.name}; run the same command again to go on"
            ) from None
    weight = float(f"{factor * choice.weight:.3g}")  # finer than matters; the same everywhere
    messages.result(_weight_line(str(job.prior.weight), weight, choice, where))
    if choice.contradicted:
        messages.warn(
            f"weight: {_noise_asks(choice)}; noise that neighbours share or a model that does not "
            f"fit ({job.model_parts}) can be the reason: look at the result"
        )
    return weight


def _noise_asks(choice: WeightChoice) -> str:
    if choice.discrepancy < min(point.weight for point in choice.curve):
        return "no weight leaves as little as the noise, so it says none"
    return f"by the noise level it is {choice.discrepancy:.2g}, far from {choice.weight:.2g}"


def _weight_line(asked: str, weight: float, choice: WeightChoice, where: str) -> str:
    largest = choice.rule == WEIGHT_RULES[0] and choice.weight >= choice.high
    smoothest = ", the smoothest is taken" if largest else ""
    misfit = "" if math.isnan(choice.misfit) else f"; residual {choice.misfit:.2g} × the noise"
    return (
        f"weight: {weight} ({asked}, {choice.rule} of {len(choice.curve)} fits, {where}; "
        f"{choice.low:.2g} to {choice.high:.2g} fit as well{smoothest}{misfit}; "
        "--weight auto*2 smooths more, auto/2 less)"
    )
