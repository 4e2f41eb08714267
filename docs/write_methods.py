"""Write the tables of docs/reference: methods from the classes of the catalog, jobs from models.

python docs/write_methods.py"""

from __future__ import annotations

import re
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from physrecon.catalog import ALIASES, DIRECT, LIKELIHOODS, PRIORS, SOLVERS, find_all
from physrecon.cli.records import MADE, RECORDS
from physrecon.jobs.model import Job
from physrecon.jobs.options import Option, options
from physrecon.jobs.read import JOBS
from physrecon.jobs.toml import toml_value

PAGES = tuple(
    Path(__file__).parent / "reference" / name for name in ("methods.md", "jobs.md", "json.md")
)
KINDS = {"quadratic": "root", "smooth": "gradient", "prox": "proximal map"}


def tables() -> dict[str, str]:
    """Name → rows of the table between `<!-- name -->` and the next empty line."""
    return {
        "solvers": _table(
            "`--method` | in Python | iterations | priors by their | constraint | views "
            "| certified step",
            [f"`{word}` | `pr.{word}` | – | – | no | all | –" for word in DIRECT]
            + [_solver(word, one) for word, one in find_all(SOLVERS).items()],
        ),
        "likelihoods": _table(
            "`--likelihood` | class | counts | extra memory [data sets] | settings",
            [
                f"`{word}` | `{one.__name__}` | {_yes(one.counts)} | {one.holds} | "
                f"{_code(one.settings)}"
                for word, one in find_all(LIKELIHOODS).items()
            ],
        ),
        "priors": _table(
            "`--prior` | class | used by its | method | extra memory [volumes] "
            "| settings in `[prior]`",
            [
                f"`{word}` | {_names(one, '')} | {_kinds(one.capabilities)} | `{one.solver}` | "
                f"{one.holds} "
                f"| {_settings(one)}"
                for word, one in find_all(PRIORS).items()
            ],
        ),
        **{kind: fields(job) for kind, job in JOBS.items()},
        **{
            f"json {name}": _table(
                "key | type | unit | meaning",
                [f"`{k}` | `{f.type}` | {f.unit or '–'} | {f.meaning}" for k, f in record.items()],
            )
            for name, record in {**RECORDS, "made": MADE}.items()
        },
    }


def fields(job: type[Job]) -> str:
    """The table of the fields of a kind of job."""
    return _table(
        "key | option | default | meaning",
        [_field(one) for one in options(job) if one.key != "kind"],
    )


def _field(one: Option) -> str:
    flags, names = _code(one.flags) or "`--set`", ", ".join(one.names())
    value, needed = one.field.default, one.field.is_required()
    default = "–" if needed or value in (None, {}) else f"`{toml_value(value)}`"
    default = "needed" if one.required else default
    return f"`{one.key}` | {flags} | {default} | {one.field.description}{names and f': {names}'}"


def page(text: str) -> str:
    """The page with its tables written anew."""
    for name, table in tables().items():
        text = re.sub(rf"(<!-- {name} -->\n)(?:\|.*\n)*", lambda m, t=table: m[1] + t, text)
    return text


def _solver(word: str, one: Any) -> str:
    views = "subsets" if one.needs_views else "all"
    constraint, certified = _yes(one.takes_constraint), _yes(one.certified)
    return (
        f"`{word}` | {_names(one)} | {one.iterations} | {_kinds(one.accepts)} | "
        f"{constraint} | {views} | {certified}"
    )


def _names(one: Any, prefix: str = "pr.") -> str:
    """The class and its second name."""
    also = [alias for alias, name in ALIASES.items() if name == one.__name__]
    return ", ".join(f"`{prefix}{name}`" for name in (one.__name__, *also))


def _settings(prior: Any) -> str:
    found = prior.settings().items()
    return ", ".join(f"`{n}`{' (needed)' * (f.default is MISSING)}" for n, f in found)


def _table(head: str, rows: list[str]) -> str:
    rule = "|".join("---" for _ in head.split(" | "))
    return "".join([f"| {head} |\n|{rule}|\n", *(f"| {row} |\n" for row in rows)])


def _kinds(kinds: tuple[str, ...]) -> str:
    return ", ".join(KINDS.get(kind, kind) for kind in kinds) or "–"


def _code(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
