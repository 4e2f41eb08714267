"""The checks of one value from argv, from TOML and from Python.

A check takes a value from any of the three and returns the value of the field.  It raises
ValueError with the sentence *expected X, got Y*."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physrecon.catalog import expected

Check = Callable[[Any], Any]
LARGEST = 1 << 63  # of an int64
LONGEST_NAME, LONGEST_PATH = 255, 4095  # bytes, of Linux and most file systems
LONGEST_OUTPUT = 200  # bytes; while a file is written, its temporary names are longer


def shown(value: Any) -> str:
    """A wrong value as argv and TOML spell it, for an error."""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(",".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


@dataclass(frozen=True)
class OneOf:
    """The check of a name."""

    names: Iterable[str]

    def __call__(self, value: Any) -> Any:
        if value is not None and value not in self.known():
            raise ValueError(expected(value, self.known()))
        return value

    def known(self) -> tuple[str, ...]:
        return tuple(self.names)


def number(
    what: str, *words: str, holds: Check = lambda number: True, kind: type[float] = float
) -> Check:
    """The check of a finite number of `kind` that satisfies `holds`, or of one of the words."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and value in words:
            return value
        try:
            number = math.nan if isinstance(value, bool) else kind(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        exact = isinstance(value, str) or number == value
        fits = abs(number) < LARGEST if kind is int else math.isfinite(number)
        if not (exact and fits and holds(number)):
            raise ValueError(f"expected {what}, got {shown(value)}")
        return number

    return check


def several(each: Check, what: str, *words: str, least: int = 1, most: float = 3) -> Check:
    """The check of a tuple of values: a list, one value, or a word such as `0.3,0.1,0.1`."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and value in words:
            return value
        given = value.split(",") if isinstance(value, str) else value
        try:
            values = tuple(map(each, given if isinstance(given, list | tuple) else [given]))
        except ValueError:
            values = ()
        if not least <= len(values) <= most:
            raise ValueError(f"expected {what}, got {shown(value)}")
        return values

    return check


def positive(value: float) -> bool:
    return value > 0


def not_negative(value: float) -> bool:
    return value >= 0


column = number("a column such as 296.0")
natural = number("a whole number >= 0", holds=not_negative, kind=int)
whole = number("a whole number >= 1", holds=positive, kind=int)
shape = several(whole, "z,y,x such as 64,256,256", least=3)


def check_path(value: str | Path, longest: int = LONGEST_NAME) -> None:
    """Raise ValueError for a name that no file can have: with NUL, not encodable, or too long.

    longest: bytes of the name and of each of its folders."""
    try:
        name = os.fsencode(value)
    except UnicodeEncodeError:
        name = b"\0"
    if b"\0" in name:
        raise ValueError(f"expected the name of a file, without NUL, got {str(value)[:60]!r}")
    if len(name) > LONGEST_PATH or max(map(len, name.split(b"/"))) > longest:
        raise ValueError(
            f"expected the name of a file, of at most {longest} bytes and {LONGEST_PATH} with "
            f"its folders, got one of {len(name)}"
        )


def auto_factor(weight: Any) -> float | None:
    """The factor of a weight that is found: 1 of auto, 2 of auto*2, 0.5 of auto/2; else None."""
    found = re.fullmatch(r"auto(?:([*/])(.+))?", str(weight))
    if not found:
        return None
    try:
        factor = number("a factor", holds=positive)(found[2] or "1")
    except ValueError:
        return None
    return float(1 / factor if found[1] == "/" else factor)
