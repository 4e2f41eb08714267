"""What a picture of slices is drawn with: colours, ticks, and text of any direction.

Pillow alone is loaded: to load matplotlib takes longer than to read and draw a slice."""

from __future__ import annotations

import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

GREYS = ("000000", "ffffff")
# Blue below zero and red above, from ColorBrewer (Harrower and Brewer, Cartogr. J. 40, 27, 2003).
BLUE_TO_RED = (
    "053061", "2166ac", "4393c3", "92c5de", "d1e5f0", "f7f7f7",
    "fddbc7", "f4a582", "d6604d", "b2182b", "67001f",
)  # fmt: skip


def color_table(colors: tuple[str, ...]) -> NDArray[np.uint8]:
    """256 colours (red, green, blue) in equal steps from the first to the last."""
    given = np.array([[*bytes.fromhex(color)] for color in colors])
    at = np.linspace(0, len(given) - 1, 256)
    columns = [np.interp(at, np.arange(len(given)), part) for part in given.T]
    return np.stack(columns, axis=1).round().astype(np.uint8)


def colored(values: NDArray[Any], low: float, high: float, table: NDArray[np.uint8]) -> Image.Image:
    """Values (rows, columns) as colours from `low` to `high`, one pixel each; NaN is white."""
    part = (values.astype(np.float64) - low) * (256 / (high - low))
    missing = np.isnan(part)
    pixels = table[np.clip(np.where(missing, 0, part), 0, 255).astype(np.uint8)]
    pixels[missing] = 255
    return Image.fromarray(pixels)


def ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """At most so many round numbers, or one, within a range, and their texts."""
    least = (high - low) / max(most - 1, 1)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(part * power for part in (1, 2, 5, 10, 20) if part * power >= least)
    numbers = np.arange(math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6) + 1) * step
    digits = math.floor(math.log10(max(abs(low), abs(high)) / step)) + 2
    return [(n, f"{n:.{max(digits, 6)}g}".replace("-", "−")) for n in map(float, numbers)]


@cache
def font(size: int) -> Any:
    """DejaVu Sans, `size` pixels high, of matplotlib or of the system; else that of Pillow."""
    library = find_spec("matplotlib")  # finds the folder and loads nothing
    folder = Path(library.origin).parent if library and library.origin else Path()
    path = folder / "mpl-data/fonts/ttf/DejaVuSans.ttf"
    try:
        return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    except OSError:
        return ImageFont.load_default(size)


def width_of(text: str, size: int) -> int:
    """Pixels along the longest line of a text."""
    return max(math.ceil(font(size).getlength(line)) for line in text.split("\n"))


def write(
    sheet: Image.Image, at: tuple[float, float], text: str, size: int, anchor: str = "mm",
    color: str = "black",
) -> None:  # fmt: skip
    """Write a line; anchor: of Pillow, horizontal (l, m, r) and vertical (t, m, b)."""
    ImageDraw.Draw(sheet).text(at, text, fill=color, font=font(size), anchor=anchor)


def write_upwards(sheet: Image.Image, at: tuple[int, int], text: str, size: int) -> None:
    """Write a line from below to above, with its centre at a pixel."""
    line = Image.new("L", (width_of(text, size) + 2, round(1.5 * size)))
    write(line, (line.width / 2, line.height / 2), text, size, color="white")
    turned = line.transpose(Image.Transpose.ROTATE_90)
    corner = (at[0] - turned.width // 2, at[1] - turned.height // 2)
    sheet.paste("black", corner, turned)
