"""Several values of one or two settings: `center=280..284/0.5`, `rings=none,sort`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import product
from typing import Any

from physrecon.catalog import expected
from physrecon.errors import ArgumentError
from physrecon.jobs.model import Job
from physrecon.jobs.options import options
from physrecon.jobs.toml import merge, nested, read_word

MOST = 64  # pictures on a sheet
MOST_SETTINGS = 2
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*/\s*({_NUMBER})\s*")


def variations(kind: type[Job], texts: Iterable[str]) -> dict[str, list[Any]]:
    """The values of each setting, by its key in a job, from texts KEY=VALUES.

    VALUES are words and numbers with commas between them, or FIRST..LAST/STEP, both ends included.
    KEY is the name of an option or a key of a job file.  Raises ArgumentError."""
    found: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not name.strip() or not values.strip():
            raise ArgumentError(
                f"vary: expected KEY=VALUES such as center=280..284/0.5, got {text!r}"
            )
        found[_key(kind, name.strip())] = _values(values)
    if len(found) > MOST_SETTINGS:
        raise ArgumentError(
            f"vary: expected at most {MOST_SETTINGS} settings, got {', '.join(found)}; drop one"
        )
    count = math.prod(map(len, found.values()))
    if count > MOST:
        raise ArgumentError(
            f"vary: expected at most {MOST} pictures, got {count}; take fewer values"
        )
    return found


def combinations(found: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Every choice of one value for each setting, the last setting changing first."""
    for values in product(*found.values()):
        yield dict(zip(found, values, strict=True))


def as_values(chosen: dict[str, Any]) -> dict[str, Any]:
    """`{"stop.iterations": 9}` as the values of a job, `{"stop": {"iterations": 9}}`."""
    return reduce(merge, (nested(key, value) for key, value in chosen.items()), {})


def _key(kind: type[Job], name: str) -> str:
    """The key of a setting whose option or key is `name`."""
    plain = name.lstrip("-")
    known = {one.flags[-1].lstrip("-"): one.key for one in options(kind) if one.flags}
    keys = {one.key for one in options(kind)}
    underscored = plain.replace("-", "_")
    if plain in known:
        return known[plain]
    if underscored in keys or plain.partition(".")[0] in ("solver", "prior", "stop"):
        return underscored
    raise ArgumentError(f"vary: {expected(name, sorted({*known} - {'output'}))}")


def _values(text: str) -> list[Any]:
    if between := _RANGE.fullmatch(text):
        first, last, step = map(float, between.groups())
        count = (last - first) / step + 1 if step else math.inf
        if not 1 <= count + 1e-9 <= MOST + 1:
            raise ArgumentError(
                f"vary: expected FIRST..LAST/STEP with up to {MOST} values, got {text!r}"
            )
        values = [first + step * k for k in range(int(count + 1e-9))]
        return [_plain(float(f"{value:.10g}")) for value in values]
    return [read_word(part) for part in text.split(",")]


def _plain(number: float) -> int | float:
    return int(number) if number.is_integer() else number
