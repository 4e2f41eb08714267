"""The provenance of a result: the resolved job, its input, the versions.

It is written into every output.  It is the same in every run of the same job, so it also serves
to distinguish jobs.  A digest of the job as it was asked for, before anything was found in the
data, tells a later run that its result is there already."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from platform import node
from typing import Any

from physrecon.errors import PhysreconError
from physrecon.io.made import ASKED, CHECK, FOUND, made_facts, texts_of
from physrecon.jobs.model import Job

MOST_SHOWN = 6  # differences between two jobs
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


def in_the_way(job: Job, inputs: Mapping[str, str], asked: str) -> str:
    """The result of ours in the place of the output, and in what it differs; "" for another file.

    inputs: digests of the data read, by name.  asked: digest of the job, as for `is_done`."""
    try:
        texts = texts_of(job.output)
    except (PhysreconError, OSError):
        return ""
    if texts.get(ASKED) == asked:
        return "the result of this very job without the files beside it"
    wanted = provenance(job, inputs)
    found = list(_differences(texts, wanted)) if "job" in texts else []
    shown = "; ".join(found[:MOST_SHOWN]) + f"; and {len(found[MOST_SHOWN:])} more" * (
        len(found) > MOST_SHOWN
    )
    return f"the result of another job ({shown})" if found else "the result of another job"


def _differences(there: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[str]:
    """`iterations 20 there, 30 wanted` for each setting; settings that were found are no
    difference."""
    old, new = (_flat(tomllib.loads(texts["job"])) for texts in (there, wanted))
    for key in dict.fromkeys([*new, *old]):
        a, b = old.get(key), new.get(key)
        name = key.rpartition(".")[2]
        found = f"found_{name}" in there or name not in FOUND.values()
        automatic = (b is None and key.startswith(("solver.", "stop."))) or "auto" in str(b)
        if a == b or key == "output" or (automatic and found):
            continue
        yield f"{key} {_word(a)} there, {_word(b)} wanted"
    if there.get("input_fingerprint") != wanted.get("input_fingerprint") and (
        old.get("input") == new.get("input")
    ):
        yield "the input has changed since"
    if old.get("psf") == new.get("psf") and there.get("psf") != wanted.get("psf"):
        yield "the PSF has changed since"
    for name in ("physrecon", "versions"):
        if there.get(name) != wanted[name]:
            yield f"{name} {there.get(name)} there, {wanted[name]} now"


def _flat(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Tables within tables as one, by dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        inner = isinstance(value, dict)
        flat |= _flat(value, f"{above}{key}.") if inner else {f"{above}{key}": value}
    return flat


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def result_record(job: Job, already: bool, seconds: float) -> dict[str, Any]:
    """The result of a job as plain values.  already: it was there."""
    return {
        "output": job.output,
        "done_already": already,
        "seconds": round(seconds, 3),
        "beside": [path for path in job.beside if path.exists()],
        **made_facts(texts_of(job.output), job.output),
    }
