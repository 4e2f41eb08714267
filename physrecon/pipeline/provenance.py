"""The provenance of a result: the resolved job, its input, the versions.

It is written into every output.  It is the same in every run of the same job, so it also serves
to distinguish jobs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

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
