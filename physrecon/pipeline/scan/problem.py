"""From the words of a job to the problem that they name: likelihood, prior, constraint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from physrecon import arrays
from physrecon.catalog import LIKELIHOODS, find
from physrecon.geometry.grid import Grid
from physrecon.jobs.scan_job import Job
from physrecon.operators.base import LinearOperator
from physrecon.pipeline.problem import make_prior
from physrecon.priors import NonNegative
from physrecon.problem import Problem


@dataclass
class Measured:
    """What some detector rows have measured.  y: line integrals, or raw counts with what
    TransmissionLikelihood needs beside them: blank and dark, broadcastable to y."""

    y: Any
    blank: Any = None
    dark: Any = None

    def to(self, device: str) -> Measured:
        moved = (None if a is None else arrays.to_device(a, device) for a in vars(self).values())
        return Measured(*moved)


def make_problem(job: Job, A: LinearOperator, measured: Measured, grid: Grid) -> Problem:
    """The problem that the job names.  Raises ArgumentError for settings that do not fit."""
    axes = (1, 2) if job.prior is None or job.prior.slicewise else (0, 1, 2)
    return Problem(
        make_likelihood(job, A, measured),
        prior=make_prior(job.prior, grid.pitch, axes),
        constraint=NonNegative() if job.nonnegative else None,
    )


def make_likelihood(job: Job, A: LinearOperator, measured: Measured) -> Any:
    """f of job.likelihood, whose settings are numbers by now."""
    kind = find(LIKELIHOODS, job.likelihood)
    settings = {name: float(getattr(job, name)) for name in kind.settings}
    return kind.for_slab(A, measured.y, blank=measured.blank, dark=measured.dark, **settings)
