"""The solver and the prior that a job names."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from physrecon.catalog import PRIORS, find
from physrecon.jobs.model import JobFile
from physrecon.jobs.settings import PriorTable
from physrecon.priors import Prior


def make_solver(job: JobFile) -> Any:
    """The solver of an iterative method, with its settings.  Raises ArgumentError."""
    return find(job.solvers, job.method)(**job.solver)


def make_prior(
    table: PriorTable | None, voxel_size: tuple[float, ...], axes: tuple[int, ...]
) -> Prior | None:
    """The prior, of weight 1 where the weight is still to be chosen.

    voxel_size: along every axis; lengths in the prior are counted in that along the last, so that
    the weight does not depend on the unit.  axes: those it couples.  Raises ArgumentError."""
    if table is None:
        return None
    kind = find(PRIORS, table.name)
    placed = {"axes": axes, "spacing": tuple(voxel_size[axis] / voxel_size[-1] for axis in axes)}
    known = {field.name for field in fields(kind)}
    weight = 1.0 if table.weight == "auto" else float(table.weight)
    return kind(weight, **table.settings, **{k: v for k, v in placed.items() if k in known})
