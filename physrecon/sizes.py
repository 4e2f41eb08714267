"""Runs of slices and views, spans, lengths, durations and bytes, from text and to text."""

from __future__ import annotations

import math
import re

from physrecon.errors import ArgumentError

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"


def counted(count: int, name: str) -> str:
    """A number of things: `1 view`, `2 views`."""
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def parse_slices(text: str) -> slice:
    """`a:b`, `a:`, `:b` or one row `a` as a slice of rows.  Raises ArgumentError."""
    start, colon, stop = text.partition(":")
    try:
        first = int(start) if start.strip() or not colon else 0
        last = (int(stop) if stop.strip() else None) if colon else first + 1
    except ValueError:
        first, last = -1, None
    if first < 0 or (last is not None and last <= first):
        raise ArgumentError(f"slices: expected a:b with 0 <= a < b, got {text!r}")
    return slice(first, last)


def parse_runs(where: str, text: str) -> list[slice]:
    """Several runs such as `100:110,150`, each `a:b` or one number.  Raises ArgumentError."""
    runs = [re.fullmatch(r"\s*(\d+)\s*(?::\s*(\d+)\s*)?", part) for part in text.split(",")]
    found = [(int(run[1]), int(run[2] or int(run[1]) + 1)) for run in runs if run]
    if len(found) < len(runs) or any(a >= b for a, b in found):
        raise ArgumentError(f"{where}: expected runs such as 100:110,150, got {text!r}")
    return [slice(a, b) for a, b in found]


def parse_crop(text: str) -> tuple[slice, slice]:
    """(rows, columns) of `200:1800` (columns) or `50:150,200:1800`.  Raises ArgumentError."""
    runs = [re.fullmatch(r"\s*(\d*)\s*:\s*(\d*)\s*", part) for part in text.split(",")]
    found = [slice(int(run[1] or 0), int(run[2]) if run[2] else None) for run in runs if run]
    empty = any(part.stop is not None and part.start >= part.stop for part in found)
    if len(found) < len(runs) or len(runs) > 2 or empty:
        raise ArgumentError(
            f"crop: expected columns a:b, or rows and columns a:b,c:d, got {text!r}"
        )
    return (slice(0, None), found[0]) if len(found) == 1 else (found[0], found[1])


def parse_bin(text: str) -> tuple[int, int]:
    """(rows, columns) of `2` or `1,2`, pixels in one.  Raises ArgumentError."""
    match = re.fullmatch(r"\s*(\d{1,4})\s*(?:,\s*(\d{1,4})\s*)?", text)
    bins = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if 0 in bins:
        raise ArgumentError(
            f"bin: expected pixels to take together, N or ROWS,COLUMNS, got {text!r}"
        )
    return bins


def parse_span(text: str) -> tuple[float, float, int] | None:
    """(first, last, count) of `0..180/721`; None for other texts.  Raises ArgumentError."""
    match = re.fullmatch(rf"\s*{_NUMBER}\s*\.\.\s*{_NUMBER}\s*/\s*(\d{{1,9}})\s*", text)
    if not match:
        return None
    first, last, count = float(match[1]), float(match[2]), int(match[3])
    if not (math.isfinite(first) and math.isfinite(last) and count):
        raise ArgumentError(f"angles: expected FIRST..LAST/COUNT, got {text!r}")
    return first, last, count


def parse_axes(text: str) -> str:
    """The order of axes in `theta:y:x`, or `theta:x` of a sinogram.  Raises ArgumentError."""
    names = text.lower().replace(",", ":").replace(" ", "").split(":")
    if sorted(names) not in (["theta", "x", "y"], ["theta", "x"]):
        raise ArgumentError(
            f"axes: expected theta, y and x once each, such as y:theta:x, got {text!r}"
        )
    return ":".join(names)


def parse_pixel_size(text: str) -> tuple[tuple[float, float], str]:
    """((row, column), unit) of `0.65um` or `0.65,0.7um`.  Raises ArgumentError."""
    match = re.fullmatch(rf"\s*{_NUMBER}\s*(?:,\s*{_NUMBER}\s*)?([^\d\s,.]+)\s*", text)
    size = (float(match[1]), float(match[2] or match[1])) if match else (0.0, 0.0)
    if not match or not all(0 < length < math.inf for length in size):
        raise ArgumentError(
            f"pixel_size: expected lengths > 0 with a unit, such as 0.65um, got {text!r}"
        )
    return size, match[3]


def parse_quantity(where: str, value: object, count: int = 1) -> tuple[list[float], str]:
    """(`count` numbers, unit or "") of `410.66mm` or `0,0,1.5mm`.  Raises ArgumentError."""
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    match = re.fullmatch(rf"((?:\s*{_NUMBER}\s*,)*\s*{_NUMBER})\s*([^\d\s,.]*)\s*", text)
    numbers = [float(number) for number in match[1].split(",")] if match else []
    if len(numbers) != count or not all(map(math.isfinite, numbers)) or not match:
        made = "0,0,1.5mm along z, the beam and the columns" if count > 1 else "410.66mm"
        raise ArgumentError(f"{where}: expected a number and a unit such as {made}, got {text!r}")
    return numbers, match.groups()[-1]


def is_table(value: object) -> bool:
    """Whether a text names a table of numbers, one line a view: a text or NumPy file."""
    return str(value).lower().endswith((".txt", ".csv", ".npy"))


def parse_angle(text: str) -> tuple[float, str]:
    """(angle, unit) of `0.3deg`.  Raises ArgumentError."""
    match = re.fullmatch(rf"\s*{_NUMBER}\s*(deg|rad|°)\s*", text)
    if not match:
        raise ArgumentError(f"angle: expected an angle in deg or rad such as 0.3deg, got {text!r}")
    return float(match[1]), match[2]


def parse_range(text: str) -> tuple[float, float]:
    """(low, high) of `0:1.5`.  Raises ArgumentError."""
    match = re.fullmatch(rf"\s*{_NUMBER}\s*:\s*{_NUMBER}\s*", text)
    low, high = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    if not -math.inf < low < high < math.inf:
        raise ArgumentError(f"range: expected LO:HI with LO < HI, got {text!r}")
    return low, high


def parse_bytes(text: str | int) -> int:
    """Bytes from `4GB` (10⁹), `512MiB` (2²⁰) or a plain number.  Raises ArgumentError."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([kmgt]?)(i?)b?\s*", str(text), re.IGNORECASE)
    size = 0
    if match:
        number, unit, binary = match.groups()
        size = round(float(number) * (1024 if binary else 1000) ** _UNITS[unit.lower()])
    if size < 1:
        raise ArgumentError(f"memory: expected a size such as 4GB or 512MB, got {str(text)!r}")
    return size


def format_bytes(size: float) -> str:
    """Bytes as text: three digits and a decimal unit."""
    power = min(int(math.log10(max(size, 1)) // 3), 5)
    number = size / 1000**power
    digits = 0 if power == 0 or number >= 100 else 1 if number >= 10 else 2
    return f"{number:.{digits}f} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[power]}"


def format_duration(seconds: float) -> str:
    """Seconds as text, to about two digits: `0.4 s`, `40 s`, `4 min`, `1 h 20 min`."""
    if seconds < 99.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 9.75:
        return f"{round(2 * minutes) / 2:g} min"
    if minutes < 59.5:
        return f"{minutes:.0f} min"
    hours, rest = divmod(round(minutes / 5) * 5, 60)
    if hours < 10:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{minutes / 60:.0f} h"
