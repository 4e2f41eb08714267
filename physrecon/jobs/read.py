"""Read a job file of any kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from physrecon.catalog import expected
from physrecon.errors import ConfigError
from physrecon.jobs.image_job import ImageJob
from physrecon.jobs.model import Job
from physrecon.jobs.scan_job import ScanJob
from physrecon.jobs.toml import read_toml

JOBS: dict[str, type[Job]] = {"reconstruct": ScanJob, "deconvolve": ImageJob}


def read_job(path: str | Path, changes: dict[str, Any] | None = None) -> Job:
    """The job in a file, of its `kind`; without a kind, a job with a PSF is a deconvolution.

    Raises MissingInputError, ConfigError."""
    values = read_toml(path)
    kind = values.get("kind", "deconvolve" if "psf" in values else "reconstruct")
    if kind not in (*JOBS,):
        raise ConfigError(f"{path}: kind: {expected(kind, JOBS)}")
    return JOBS[kind].from_toml(path, changes)
