"""Slices side by side, each with axes in length, a scale bar and a bar of grey values.

The finer pitch of a slice is a whole number of pixels, unless the slice would then be larger than
MOST_PIXELS, or than MOST_TIMES the voxels along its longest side."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple

from numpy.typing import NDArray
from PIL import Image, ImageDraw

from physrecon.pictures.sheet import (
    BLUE_TO_RED,
    GREYS,
    color_table,
    colored,
    ticks,
    width_of,
    write,
    write_upwards,
)
from physrecon.pictures.slices import grey_window, round_length

PIXELS, MOST_PIXELS = 540, 6000  # along the longest side of a slice: about, at most
MOST_TIMES = 4
OF_SEVERAL = 400  # the first, beside others
LETTERS = 42  # heights of a letter along the longest side
LEAST_LETTER = 13  # pixels
APART = (3, 5)  # heights of a letter from one tick to the next at least, of rows and of columns
MOST_TICKS = 8


class Panel(NamedTuple):
    """A slice (rows, columns) whose voxels are `pitch` apart; names: of its axes.

    difference: it is drawn around zero, on a scale of its own."""

    image: NDArray[Any]
    pitch: Sequence[float]
    names: tuple[str, str]
    title: str
    difference: bool = False

    def lengths(self) -> tuple[float, float]:
        """(height, width)."""
        high, wide = (n * p for n, p in zip(self.image.shape, self.pitch, strict=True))
        return high, wide


class _Style(NamedTuple):
    """What all panels share; em: pixels of a letter's height."""

    unit: str
    quantity: str
    window: tuple[float, float]
    row_0_on_top: bool
    em: int
    lines: int  # above a panel


def panels_png(
    panels: Sequence[Panel],
    unit: str,
    quantity: str,
    window: tuple[float, float] | None = None,
    row_0_on_top: bool = False,
) -> bytes:
    """The panels from left to right, as PNG.

    window: grey values shown as black and white; by default the range of 99.8 % of the voxels of
    the first panel."""
    sizes = [_size(panel, PIXELS if len(panels) == 1 else OF_SEVERAL) for panel in panels]
    em = max(LEAST_LETTER, round(max(map(max, sizes)) / LETTERS))
    lines = max(panel.title.count("\n") for panel in panels) + 1
    window = window or grey_window(panels[0].image)
    style = _Style(unit, quantity, window, row_0_on_top, em, lines)
    drawn = [_panel(panel, size, style) for panel, size in zip(panels, sizes, strict=True)]
    sheet = Image.new("RGB", (sum(p.width for p in drawn), max(p.height for p in drawn)), "white")
    left = 0
    for one in drawn:
        sheet.paste(one, (left, 0))
        left += one.width
    file = BytesIO()
    sheet.save(file, "PNG", compress_level=1)  # half of the time of the best, a tenth larger
    return file.getvalue()


def _size(panel: Panel, about: int) -> tuple[int, int]:
    """(height, width) of a slice in pixels, its longest side about as long as that."""
    lengths, voxels = panel.lengths(), max(panel.image.shape)
    longest = max(lengths) / min(panel.pitch)  # in voxels of the finer pitch
    most = min(max(MOST_TIMES * voxels, about), MOST_PIXELS)
    zoom = min(max(1, round(about / longest)), most / longest)
    least = 1 / 3 if min(lengths) < 0.1 * max(lengths) else 0  # a few slices would be a line
    high, wide = (round(zoom * longest * max(length / max(lengths), least)) for length in lengths)
    return high, wide


def _panel(panel: Panel, size: tuple[int, int], style: _Style) -> Image.Image:
    """One panel: the title above its slice, names and lengths of the axes, and the bar."""
    em, margin, line = style.em, style.em, round(1.4 * style.em)
    low, high = style.window
    if panel.difference:
        high = max(map(abs, grey_window(panel.image)))
        low = -high
    table = color_table(BLUE_TO_RED if panel.difference else GREYS)
    body = _slice(panel, size, style, colored(panel.image, low, high, table))
    along = [
        ticks(-length / 2, length / 2, min(int(pixels / apart / em), MOST_TICKS))
        for length, pixels, apart in zip(panel.lengths(), body.size[::-1], APART, strict=True)
    ]
    values = ticks(low, high, min(int(body.height / APART[0] / em), MOST_TICKS))
    left = margin + line + max(width_of(text, em) for _, text in along[0]) + em
    top = margin + style.lines * line
    bar = left + body.width + em
    right = bar + 3 * em + max(width_of(text, em) for _, text in values)
    title = f"{panel.title}   window {low:.4g} … {high:.4g}"
    width = max(right + line + margin, width_of(title, em) + 2 * margin)
    sheet = Image.new("RGB", (width, top + body.height + 3 * line + margin), "white")
    half = width_of(title, em) // 2 + margin
    middle = min(max(left + body.width // 2, half), sheet.width - half)
    for above, text in enumerate(reversed(title.split("\n"))):
        write(sheet, (middle, top - (above + 0.7) * line), text, em)
    sheet.paste(body, (left, top))
    area = (left, top, left + body.width, top + body.height)
    _axes(sheet, area, along, panel, style)
    _bar(sheet, (bar, top, bar + round(1.5 * em), area[3]), (low, high), values, table, em)
    quantity = f"difference of {style.quantity}" if panel.difference else style.quantity
    write_upwards(sheet, (right + line // 2, (top + area[3]) // 2), quantity, em)
    return sheet


def _slice(panel: Panel, size: tuple[int, int], style: _Style, image: Image.Image) -> Image.Image:
    """The slice in its size, with a scale bar."""
    high, wide = size
    if not style.row_0_on_top:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    image = image.resize((wide, high), Image.Resampling.BOX)
    length, em = round_length(panel.lengths()[1] / 4), style.em
    pen, text = ImageDraw.Draw(image), f"{length:g} {style.unit}"
    left, below = round(0.03 * wide), high - max(round(0.03 * high), 2)
    right = left + round(length / panel.lengths()[1] * wide)
    box = (left - 2, below - 1.9 * em, left + width_of(text, em) + 2, below - 0.5 * em)
    pen.rectangle(box, "black")  # visible on any background
    write(image, (left, below - 1.2 * em), text, em, "lm", "white")
    pen.rectangle((left, below - em // 3 - 1, right, below), "white", "black")
    return image


def _axes(
    sheet: Image.Image,
    area: tuple[int, int, int, int],
    along: Sequence[Sequence[tuple[float, str]]],
    panel: Panel,
    style: _Style,
) -> None:
    """The frame of a slice, its lengths from the middle, and the names of its axes."""
    left, top, right, below = area
    em, line, tick = style.em, round(1.4 * style.em), style.em // 3
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((left - 1, top - 1, right, below), outline="black")
    high, wide = panel.lengths()
    for at, text in along[1]:
        x = left + (at / wide + 0.5) * (right - left)
        pen.line((x, below, x, below + tick), "black")
        write(sheet, (x, below + tick + line // 2), text, em)
    for at, text in along[0]:
        y = top + (0.5 + at / high * (1 if style.row_0_on_top else -1)) * (below - top)
        pen.line((left - tick, y, left - 1, y), "black")
        write(sheet, (left - 2 * tick, y), text, em, "rm")
    rows, columns = (f"{name} [{style.unit}]" for name in panel.names)
    write(sheet, ((left + right) / 2, below + tick + 1.6 * line), columns, em)
    write_upwards(sheet, (em + line // 2, (top + below) // 2), rows, em)


def _bar(
    sheet: Image.Image,
    area: tuple[int, int, int, int],
    window: tuple[float, float],
    values: Sequence[tuple[float, str]],
    table: NDArray[Any],
    em: int,
) -> None:
    """The colours of the values; its pointed ends stand for those beyond the window."""
    left, top, right, below = area
    point = min(em, (below - top) // 4)
    first, last = top + point, below - point
    colors = Image.fromarray(table[::-1, None]).resize((right - left, last - first))
    pen, middle = ImageDraw.Draw(sheet), (left + right) / 2
    for end, tip, color in ((first, top, table[-1]), (last, below, table[0])):
        pen.polygon(((left, end), (middle, tip), (right, end)), tuple(map(int, color)), "black")
    sheet.paste(colors, (left, first))
    pen.line((left, first, left, last), "black")
    pen.line((right, first, right, last), "black")
    low, high = window
    for value, text in values:
        y = last - (value - low) / (high - low) * (last - first)
        pen.line((right, y, right + em // 3, y), "black")
        write(sheet, (right + 2 * (em // 3), y), text, em, "lm")
