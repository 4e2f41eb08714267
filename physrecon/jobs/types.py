"""Types of the fields of a job: one check for values from argv, from TOML and from Python.

A check takes a value from any of the three and returns the value of the field.  It raises
ValueError with the sentence *expected X, got Y*."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from physrecon.catalog import PSF_MODELS, expected
from physrecon.errors import ArgumentError
from physrecon.sizes import (
    parse_axes,
    parse_bin,
    parse_bytes,
    parse_crop,
    parse_pixel_size,
    parse_range,
    parse_runs,
    parse_slices,
)

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


def one_of(names: Iterable[str]) -> BeforeValidator:
    return BeforeValidator(OneOf(names))


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
_GREY = "a grey value >= 0, or auto"
_level = number(_GREY, "auto", holds=not_negative)


def _levels(value: Any) -> Any:
    levels = several(number(_GREY, holds=not_negative), _GREY, "auto", most=math.inf)(value)
    one = not isinstance(value, list | tuple) and isinstance(levels, tuple) and len(levels) == 1
    return levels[0] if one else levels


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


def _psf(value: Any) -> str:
    """A path or the name of a model with its parameters, as text."""
    if not (value and isinstance(value, str | Path)):
        raise ValueError(
            f"expected a file or a model such as gaussian:sigma=2 (--psf list), got {shown(value)}"
        )
    if str(value).partition(":")[0] not in PSF_MODELS:
        check_path(value)
    return str(value)


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


def _prior_weight(value: Any) -> Any:
    if isinstance(value, str) and auto_factor(value) is not None:
        return value
    return number("a number > 0, or auto, or more or less of it: auto*2, auto/2", holds=positive)(
        value
    )


def _setting(value: Any) -> Any:
    """Convert a word of argv to a number if it is one."""
    try:
        return number("a number")(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _parsed(parse: Check, keep: bool = False) -> Check:
    """The check by a parser that raises ArgumentError.  keep: return the text, not its value."""

    def check(value: Any) -> Any:
        try:
            parsed = parse(str(value))
        except ArgumentError as problem:  # the field is named already
            raise ValueError(str(problem).partition(": ")[2]) from None
        return str(value) if keep else parsed

    return check


def _checked(check: Check) -> BeforeValidator:
    """A check that passes None on to pydantic."""
    return BeforeValidator(lambda value: value if value is None else check(value))


Setting = Annotated[bool | int | float | str, _checked(_setting)]
Whole = Annotated[int, _checked(whole)]
Iterations = Annotated[int | Literal["auto"], _checked(number(
    "a whole number >= 1, or auto", "auto", holds=positive, kind=int
))]  # fmt: skip
Column = Annotated[float | Literal["auto"], _checked(number(
    "a column such as 296.0, or auto", "auto"
))]  # fmt: skip
Width = Annotated[int | Literal["auto"], _checked(number(
    "a whole number of voxels >= 1, or auto", "auto", holds=positive, kind=int
))]  # fmt: skip
OutlierSize = Annotated[float | Literal["auto"], _checked(number(
    "a line integral > 0, or auto", "auto", holds=positive
))]  # fmt: skip
Weight = Annotated[float | Literal["auto"], _checked(number(
    "a number > 0, or auto", "auto", holds=positive
))]  # fmt: skip
PriorWeight = Annotated[float | str, _checked(_prior_weight)]
Tolerance = Annotated[float, _checked(number("a number >= 0", holds=not_negative))]
Fraction = Annotated[float, _checked(number(
    "a number between 0 and 1, such as 1e-3", holds=lambda part: 0 < part < 1
))]  # fmt: skip
Level = Annotated[float | Literal["auto"], _checked(_level)]
Levels = Annotated[float | tuple[float, ...] | Literal["auto"], _checked(_levels)]
Lengths = Annotated[tuple[float, ...], _checked(several(
    number("a length", holds=positive), "lengths > 0 along z,y,x such as 0.3,0.1,0.1"
))]  # fmt: skip
PSF = Annotated[str, BeforeValidator(_psf)]
PSFCenter = Annotated[tuple[int, ...] | Literal["peak", "mass", "corner"], _checked(several(
    natural, "an index along z,y,x such as 8,15,15, or peak, or mass, or corner",
    "peak", "mass", "corner",
))]  # fmt: skip
Bytes = Annotated[int, _checked(_parsed(parse_bytes))]
Views = Annotated[str, _checked(_parsed(partial(parse_runs, "views"), keep=True))]
Axes = Annotated[str, _checked(_parsed(parse_axes))]
PixelSize = Annotated[str, _checked(_parsed(parse_pixel_size, keep=True))]
Crop = Annotated[str, _checked(_parsed(parse_crop, keep=True))]
Bin = Annotated[str, _checked(_parsed(parse_bin, keep=True))]
GreyValue = Annotated[float, _checked(number("a grey value > 0", holds=positive))]
Floor = Annotated[float | Literal["auto"], _checked(number(
    "a transmission between 0 and 1 such as 1e-3, or auto", "auto", holds=lambda part: 0 < part < 1
))]  # fmt: skip
ValueRange = Annotated[str, _checked(_parsed(parse_range, keep=True))]
Rows = Annotated[str, _checked(_parsed(parse_slices, keep=True))]
