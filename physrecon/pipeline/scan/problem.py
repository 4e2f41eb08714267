"""From the words of a job to the problem that they name: likelihood, prior, constraint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from physrecon import arrays, likelihoods
from physrecon.geometry.grid import Grid
from physrecon.jobs.scan_job import Job
from physrecon.operators.base import LinearOperator
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
    return Problem(
        make_likelihood(job, A, measured),
        prior=None if job.prior is None else job.prior.make(grid.pitch),
        constraint=NonNegative() if job.nonnegative else None,
    )


def make_likelihood(job: Job, A: LinearOperator, measured: Measured) -> Any:
    """f of job.likelihood; job.outlier is a number by now."""
    y = measured.y
    xp = arrays.namespace(y)
    match job.likelihood:
        case "least-squares":
            return likelihoods.LeastSquares(A, y)
        case "weighted":  # the variance of -log(counts) is 1/counts, and these go as exp(-y)
            return likelihoods.LeastSquares(A, y, xp.exp(-xp.maximum(y, 0)))
        case "transmission":
            return likelihoods.TransmissionLikelihood(A, y, measured.blank, measured.dark)
        case "poisson":  # of rays that miss the grid no x explains any count
            return likelihoods.PoissonLikelihood(A, xp.maximum(y, 0) * (A.row_sums(y) > 0))
        case "huber":
            return likelihoods.Huber(A, y, float(job.outlier))
        case _:
            return likelihoods.StudentT(A, y, float(job.outlier))
