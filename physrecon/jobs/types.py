"""Types of the fields of a job: pydantic's, each with its check."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from physrecon.catalog import PSF_MODELS
from physrecon.errors import ArgumentError
from physrecon.jobs.checks import (
    Check,
    OneOf,
    auto_factor,
    check_path,
    natural,
    not_negative,
    number,
    positive,
    several,
    shown,
    whole,
)
from physrecon.sizes import (
    is_table,
    parse_angle,
    parse_axes,
    parse_bin,
    parse_bytes,
    parse_crop,
    parse_pixel_size,
    parse_quantity,
    parse_range,
    parse_runs,
    parse_slices,
)


def one_of(names: Iterable[str]) -> BeforeValidator:
    return BeforeValidator(OneOf(names))


_GREY = "a grey value >= 0, or auto"
_level = number(_GREY, "auto", holds=not_negative)


def _levels(value: Any) -> Any:
    levels = several(number(_GREY, holds=not_negative), _GREY, "auto", most=math.inf)(value)
    one = not isinstance(value, list | tuple) and isinstance(levels, tuple) and len(levels) == 1
    return levels[0] if one else levels


def _psf(value: Any) -> str:
    """A path or the name of a model with its parameters, as text."""
    if not (value and isinstance(value, str | Path)):
        raise ValueError(
            f"expected a file or a model such as gaussian:sigma=2 (--psf list), got {shown(value)}"
        )
    if str(value).partition(":")[0] not in PSF_MODELS:
        check_path(value)
    return str(value)


def _prior_weight(value: Any) -> Any:
    if isinstance(value, str) and auto_factor(value) is not None:
        return value
    return number("a number > 0, or auto, or more or less of it: auto*2, auto/2", holds=positive)(
        value
    )


def _shifts(value: Any) -> str:
    """Three lengths, or a table of them, as text."""
    if not is_table(value):
        return str(_parsed(partial(parse_quantity, "shifts", count=3), keep=True)(value))
    check_path(value)
    return str(value)


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
Length = Annotated[str, _checked(_parsed(partial(parse_quantity, "length"), keep=True))]
Angle = Annotated[str, _checked(_parsed(parse_angle, keep=True))]
Vector = Annotated[str, _checked(_parsed(partial(parse_quantity, "vector", count=3), keep=True))]
Shifts = Annotated[str, _checked(_shifts)]
Crop = Annotated[str, _checked(_parsed(parse_crop, keep=True))]
Bin = Annotated[str, _checked(_parsed(parse_bin, keep=True))]
GreyValue = Annotated[float, _checked(number("a grey value > 0", holds=positive))]
Floor = Annotated[float | Literal["auto"], _checked(number(
    "a transmission between 0 and 1 such as 1e-3, or auto", "auto", holds=lambda part: 0 < part < 1
))]  # fmt: skip
ValueRange = Annotated[str, _checked(_parsed(parse_range, keep=True))]
Rows = Annotated[str, _checked(_parsed(parse_slices, keep=True))]
