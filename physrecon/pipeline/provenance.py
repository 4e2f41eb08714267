"""The provenance of a result: the resolved job, its input, the versions.

It is written into every output.  It is the same in every run of the same job, so it also serves
to distinguish jobs.  A digest of the job as it was asked for, before anything was found in the
data, tells a later run that its result is there already."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from platform import node
from typing import Any

from physrecon.errors import PhysreconError
from physrecon.io.made import ASKED, CHECK, made_facts, texts_of
from physrecon.jobs.model import Job

LIBRARIES = ("numpy", "scipy", "numba", "h5py")


def provenance(job: Job, inputs: Mapping[str, str]) -> dict[str, str]:
    """Texts by name.  inputs: digests of the data read, by name."""
    return {
        "job": job.fingerprinted().to_toml(),
        "method": job.method,
        **inputs,
        "physrecon": version("physrecon"),
        "versions": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def as_text(texts: Mapping[str, str]) -> str:
    """Provenance as one text, for formats that have room for no more."""
    facts = [f"{name} {text}" for name, text in texts.items() if name != "job"]
    return "\n".join([*facts, "", texts["job"]])


def facts_of_run(asked: str) -> dict[str, str]:
    """Facts of any result.  asked: digest of the job as it was asked for."""
    return {ASKED: asked, "host": node()}


def is_done(job: Job, asked: str) -> bool:
    """Whether the output of a job is its whole result, with the files beside it.

    asked: the digest of the job, as it is asked for, of its input and of the versions."""
    try:
        texts = texts_of(job.output)
    except (PhysreconError, OSError):
        return False
    checked = [job.residual_picture] * (job.residuals and CHECK in texts)
    there = all(path.exists() for path in (*job.history_files, *checked))
    return texts.get(ASKED) == asked and there


def result_record(job: Job, already: bool, seconds: float) -> dict[str, Any]:
    """The result of a job as plain values.  already: it was there."""
    return {
        "output": job.output,
        "done_already": already,
        "seconds": round(seconds, 3),
        "beside": [path for path in job.beside if path.exists()],
        **made_facts(texts_of(job.output), job.output),
    }
