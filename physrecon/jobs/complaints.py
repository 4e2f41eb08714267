"""Errors of a job in the words of this program: one sentence a field."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from physrecon.catalog import PRIORS, nearest


def complaint(job: Any, where: str, problem: ValidationError) -> str:
    """What is wrong with a job: one sentence a field, and what there is where no name is near."""
    first = {_place(p): p for p in reversed(problem.errors())}  # a union complains once a type
    lines = [_sentence(job, where, p) for p in reversed(first.values())]
    strange = {_table(job, p) for p in first.values() if p["type"] == "extra_forbidden"}
    for table in sorted(strange):
        keys = job.TABLES.get(table, job).model_fields
        lines.append(f"the keys{f' of [{table}]' if table else ''} are {', '.join(keys)}")
    return "; ".join(lines) if len(lines) == 1 else "\n  ".join(lines)


def _table(job: Any, problem: Any) -> str:
    """The table of the job that a complaint is about, or nothing."""
    name = str(problem["loc"][0]) if problem["loc"] else ""
    return name if name in job.TABLES else ""


def _place(problem: Any) -> str:
    return ".".join(str(part) for part in problem["loc"][:2])


def _sentence(job: Any, where: str, problem: Any) -> str:
    """One pydantic complaint in the words of this program."""
    place = _place(problem)
    if problem["type"] == "extra_forbidden":
        keys = job.TABLES.get(_table(job, problem), job).model_fields
        near = nearest(problem["loc"][-1], tuple(keys))
        return f"{where}: {place}: expected a key that is known, got {place!r}{near}"
    if problem["loc"][:1] == ("solver",) and len(problem["loc"]) > 1:
        return f"{where}: {place}: expected a finite number, got {problem['input']!r}"
    if place == "prior.name" and problem["type"] == "missing":
        some = ", ".join(problem["input"]) or "an empty [prior]"
        choice = f"choose --prior {'|'.join(PRIORS)}"
        return f"{where}: prior: expected a prior to go with {some}, got none; {choice}"
    if problem["type"] == "missing":
        return f"{where}: {place}: expected a value, got none; set it"
    message = problem["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "expected")
    got = "" if ", got " in message else f", got {problem['input']!r}"
    said = not place or message.startswith(place)
    return f"{where}: {'' if said else place + ': '}{message}{got}"
