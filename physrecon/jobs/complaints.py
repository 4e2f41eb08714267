"""Pydantic's errors of a job, formatted as one sentence per field."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

from pydantic import ValidationError

from physrecon.catalog import PRIORS, meant, nearest
from physrecon.jobs.checks import shown
from physrecon.jobs.options import Table, options, table_of
from physrecon.jobs.toml import toml_value

MISSING = "expected a value, got none; set it"
# pydantic's kind of error → the expected value, where no check of ours has its own sentence
KINDS = {
    "bool": "true or false", "int": "a whole number", "float": "a number", "finite": "a number",
    "string": "text", "path": "a path", "dict": "a table", "model": "a table",
}  # fmt: skip
# keys that jobs lack on purpose → why, and what to do
LACKING = {
    "stop.seconds": "; the result would depend on the machine: give iterations, or end the run "
    "with SIGTERM, and start it again to go on",
}
SIGNS = {
    "greater_than": ("gt", ">"), "greater_than_equal": ("ge", ">="),
    "less_than": ("lt", "<"), "less_than_equal": ("le", "<="),
}  # fmt: skip


def complaint(job: type[Table], where: str, problem: ValidationError, flags: bool = False) -> str:
    """Format pydantic's errors as one sentence per field; for unknown keys, list the valid ones.

    flags: name fields as the command line does."""
    first = {_place(job, p): p for p in reversed(problem.errors())}  # one error per union member
    names = {one.key: one.flags[-1] for one in options(job) if one.flags} if flags else {}
    lines = []
    for place, p in reversed(first.items()):
        start = f"{where} {names[place]}" if place in names else f"{where}: {place}"
        sentence = _sentence(job, place, p)
        said = not place or sentence.startswith(f"{place.partition('.')[0]}: ")
        lines.append(f"{where}: {sentence}" if said else f"{start}: {sentence}")
    strange = {_table(job, p) for p in first.values() if p["type"] == "extra_forbidden"}
    for name, table in sorted(strange, key=lambda one: one[0]):
        keys = f"the keys{name and f' of [{name}]'} are {', '.join(table.model_fields)}"
        lines += wrap(keys, 100, break_on_hyphens=False)
    return "\n  ".join(lines)


def _table(job: type[Table], problem: Any) -> tuple[str, type[Table]]:
    """Name and model of the table that an error is about; the job itself has no name."""
    name = str(problem["loc"][0]) if problem["loc"] else ""
    field = job.model_fields.get(name)
    table = table_of(field) if field else None
    return (name, table) if table else ("", job)


def _home(job: type[Table], key: str) -> str:
    """The advice about a key that belongs to a table of the job, or ""."""
    tables = {name: table_of(field) for name, field in job.model_fields.items()}
    homes = [name for name, table in tables.items() if table and key in table.model_fields]
    return f"; write it under [{homes[0]}]" if homes else ""


def _place(job: type[Table], problem: Any) -> str:
    """The key of the field, without pydantic's names of union members."""
    depth = 2 if _table(job, problem)[0] or problem["loc"][:1] == ("solver",) else 1
    return ".".join(str(part) for part in problem["loc"][:depth])


def _sentence(job: type[Table], place: str, problem: Any) -> str:
    """One error of pydantic as a sentence of this program."""
    kind = problem["type"]
    if kind == "extra_forbidden":
        key, table = problem["loc"][-1], _table(job, problem)[1]
        near = _home(job, key) if table is job else ""
        near = near or LACKING.get(place) or nearest(key, tuple(table.model_fields))
        return f"expected a key that is known, got {place!r}{near}"
    if place == "prior.name" and kind == "missing":
        some = ", ".join(problem["input"]) or "an empty [prior]"
        return (
            f"prior: expected a prior to go with {some}, got none; "
            f"choose --prior {'|'.join(PRIORS)}"
        )
    if kind == "missing":
        return MISSING
    if place == "solver" and isinstance(problem["input"], str):
        return (
            f"expected a table of settings, got {shown(problem['input'])}; write "
            f"method = {toml_value(problem['input'])} for the method"
        )
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    key = place.removesuffix(".name")
    other = meant(key, problem["input"]) if message.startswith("expected one of ") else None
    if other is not None:
        name = f"{other[0]} " if other[0] != key else ""
        message = f"{message.partition('; did you mean')[0]}; did you mean {name}{other[1]}?"
    if place.startswith("solver."):
        message = "expected a finite number"
    elif kind in SIGNS:
        limit, sign = SIGNS[kind]
        message = f"expected a number {sign} {problem['ctx'][limit]}"
    elif kind.partition("_")[0] in KINDS:
        message = f"expected {KINDS[kind.partition('_')[0]]}"
    return message if ", got " in message else f"{message}, got {shown(problem['input'])}"
