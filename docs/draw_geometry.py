"""Draws geometry.svg of docs/architecture.md: `python docs/draw_geometry.py [FOLDER]`.

It shows where x, y, z, views, rows and columns point."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Polygon, Rectangle

INK, DIM, GREY, PALE = "#1f2933", "#52606d", "#7b8794", "#e4e7eb"
BLUE, ORANGE, GREEN = "#1f6feb", "#c2570c", "#1a7f4b"


def geometry() -> Figure:
    """The plane seen from +z, the order of the arrays, and what an index points at."""
    figure = Figure((11.6, 7.4))
    FigureCanvasAgg(figure)
    _plane(figure.add_axes((0.0, 0.0, 0.56, 1.0)))
    _orders(figure.add_axes((0.57, 0.41, 0.43, 0.59)))
    _indices(figure.add_axes((0.57, 0.0, 0.43, 0.4)))
    return figure


def _plane(axes: Axes, theta: float = 30.0) -> None:
    """One view at `theta` degrees: u grows along (cos θ, sin θ), rays run across it."""
    frame(axes, (-9.6, 9.6), (-11, 11.6), "the plane of a slice, seen from +z")
    n, pitch = 6, 1.3
    half = n * pitch / 2
    for k in range(n + 1):
        at = -half + k * pitch
        axes.plot([at, at], [-half, half], color=PALE, lw=1, zorder=0)
        axes.plot([-half, half], [at, at], color=PALE, lw=1, zorder=0)
    axes.add_patch(Rectangle((-half, -half), 2 * half, 2 * half, fill=False, ec=GREY, lw=1.2))
    for iy, ix in ((0, 0), (0, n - 1), (n - 1, 0)):
        center = np.array([ix, iy]) * pitch - (half - pitch / 2)
        axes.plot(*center, ".", color=GREY, ms=4)
        axes.text(center[0], center[1] + 0.28, f"[{iy}, {ix}]", ha="center", fontsize=8, color=GREY)
    axes.text(-half, -half - 0.55, "voxel [iy, ix]", fontsize=8.5, color=GREY)
    for tip, name in (((7.0, 0), "x"), ((0, 5.6), "y")):
        arrow(axes, (0, 0), tip, INK, width=1.6)
        place = np.array(tip) + ([0.28, -0.15] if name == "x" else [-0.7, -0.3])
        axes.text(*place, name, fontsize=13, style="italic")
    axes.plot(0, 0, "o", color=INK, ms=5)
    axes.text(-0.3, -0.6, "axis of rotation", fontsize=9, ha="right")

    turn = np.deg2rad(theta)
    u = np.array([np.cos(turn), np.sin(turn)])
    along = np.array([-np.sin(turn), np.cos(turn)])
    far, wide, t = 6.7, 5.2, 3.2
    axes.plot(*zip(far * along - wide * u, far * along + wide * u, strict=True), color=BLUE, lw=4)
    arrow(axes, far * along + wide * u, far * along + (wide + 1.3) * u, BLUE)
    axes.text(*((far + 0.6) * along + (wide + 1.4) * u), "columns", color=BLUE, rotation=theta,
              rotation_mode="anchor", va="center", ha="right", fontsize=10)  # fmt: skip
    axes.text(*((far + 0.6) * along - 3.4 * u), "detector", color=BLUE, rotation=theta,
              rotation_mode="anchor", va="center", ha="center", fontsize=10)  # fmt: skip
    for place, color, style in ((0.0, GREY, (0, (4, 3))), (t, ORANGE, "-")):
        start, end = place * u - 8.2 * along, place * u + far * along
        axes.plot(*zip(start, end, strict=True), color=color, lw=1.6, ls=style)
        arrow(axes, place * u - 7.6 * along, place * u - 6.8 * along, color)
    axes.text(*(1.6 * u - 8.2 * along), "beam", ha="center", va="center", color=GREY, fontsize=10,
              rotation=theta, rotation_mode="anchor")  # fmt: skip
    axes.plot(*(far * along), "o", color=INK, ms=5, zorder=5)
    axes.text(*((far + 0.7) * along), "center", ha="center", va="center", rotation=theta,
              rotation_mode="anchor", fontsize=10)  # fmt: skip
    axes.plot(*(far * along + t * u), "o", color=ORANGE, ms=6, zorder=5)
    axes.text(*((far + 0.7) * along + t * u), "u", ha="center", va="center", color=ORANGE,
              fontsize=13, style="italic")  # fmt: skip
    # the distance of the ray from the axis, measured along the detector
    foot = -5.4 * along
    arrow(axes, foot + t * u, foot, ORANGE, both=True)
    axes.text(*(foot + (t + 0.3) * u), "(u − center) · pixel_size", color=ORANGE, fontsize=9.5,
              rotation=theta, rotation_mode="anchor", va="center", ha="left")  # fmt: skip
    axes.add_patch(Arc((0, 0), 8.6, 8.6, theta1=0, theta2=theta - 1, color=GREEN, lw=1.6))
    axes.plot(*zip((0, 0), 5.6 * u, strict=True), color=GREEN, lw=1.1, ls=(0, (2, 2)))
    end = 4.3 * u
    arrow(axes, end + 0.35 * np.array([np.sin(turn), -np.cos(turn)]), end, GREEN)
    axes.text(4.75, 1.15, "θ", color=GREEN, fontsize=14)
    axes.text(
        0.0, -10.6, "x cos θ + y sin θ = (u − center) · pixel_size", color=ORANGE,
        fontsize=12.5, ha="center",
    )  # fmt: skip


def _orders(axes: Axes) -> None:
    """Volume (z, y, x) and projections (view, row, column): row r of the detector is slice r."""
    frame(axes, (0, 20), (0, 17), "order of the arrays: last index fastest")
    right, up, into = np.array([1.0, 0]), np.array([0, 1.0]), np.array([0.55, 0.42])
    corner = np.array([1.9, 2.6])
    width, height, depth, step = 4.6, 6.0, 3.4, 1.0
    levels = np.arange(0, height + 0.1, step)
    for k, level in enumerate(levels[:-1]):
        face = [corner + level * up, corner + width * right + level * up]
        shown = ORANGE if k == 2 else PALE
        front = [*face, face[1] + step * up, face[0] + step * up]
        side = [face[1], face[1] + depth * into, face[1] + depth * into + step * up, front[2]]
        for quad in (front, side):
            axes.add_patch(Polygon(quad, fc=shown, ec="white", lw=1, alpha=0.75 if k == 2 else 1))
    lid = corner + height * up
    roof = [lid, lid + width * right, lid + width * right + depth * into, lid + depth * into]
    axes.add_patch(Polygon(roof, fc="#f1f3f5", ec="white"))
    base = corner - 0.35 * up
    arrow(axes, base, base + 3.0 * right, INK)
    axes.text(*(base + 3.3 * right - 0.2 * up), "x", style="italic", fontsize=12)
    start = corner + (width + 0.3) * right - 0.15 * up
    arrow(axes, start, start + 2.6 * into, INK)
    axes.text(*(start + 2.8 * into + np.array([0.1, -0.15])), "y", style="italic", fontsize=12)
    arrow(axes, corner - 0.4 * right, corner - 0.4 * right + 4.2 * up, INK)
    axes.text(*(corner - 0.55 * right + 4.5 * up), "z", style="italic", fontsize=12)
    axes.text(4.9, 13.9, "volume [z, y, x]", ha="center", fontsize=10.5, weight="bold")
    axes.text(4.9, 12.9, "attenuation, 1/length", ha="center", fontsize=9, color=GREY)
    axes.text(2.3, 5.1, "slice z = r", va="center", fontsize=9)

    sheet, wide = np.array([11.6, 2.6]), 5.4
    for back in (2, 1, 0):
        at = sheet + back * np.array([0.9, 0.75])
        axes.add_patch(Rectangle(tuple(at), wide, height, fc="#dbe8fd", ec=BLUE, lw=1))
    axes.add_patch(Rectangle(tuple(sheet + 2 * up), wide, step, fc=ORANGE, alpha=0.75))
    axes.text(*(sheet + np.array([0.4, 2.5])), "row r", va="center", fontsize=9)
    arrow(axes, sheet - 0.35 * up, sheet - 0.35 * up + 3.0 * right, BLUE)
    axes.text(*(sheet + np.array([3.3, -0.75])), "column u", color=BLUE, fontsize=9.5)
    arrow(axes, sheet - 0.35 * right, sheet - 0.35 * right + 3.2 * up, BLUE)
    axes.text(*(sheet + np.array([-0.75, 3.5])), "row", color=BLUE, rotation=90, fontsize=9.5)
    arrow(axes, sheet + np.array([0.2, height + 0.3]), sheet + np.array([1.6, height + 1.47]), BLUE)
    axes.text(
        *(sheet + np.array([1.0, height + 1.75])), "view", color=BLUE, fontsize=9.5, ha="right"
    )
    axes.text(15.2, 13.9, "data [view, row, column]", ha="center", fontsize=10.5,
              weight="bold")  # fmt: skip
    axes.text(15.2, 12.9, "line integrals, no unit", ha="center", fontsize=9, color=GREY)
    axes.text(10, 0.5, "z grows with the row: row r sees slice r and no other", ha="center",
              fontsize=9.5)  # fmt: skip


def _indices(axes: Axes) -> None:
    """An index points at the middle of a voxel or pixel; the origin is the middle of the array."""
    frame(axes, (0, 20), (0, 12), "an index points at the middle of a cell")
    for n, low, pitch, label in ((4, 7.4, 2.0, "n = 4"), (5, 4.2, 2.0, "n = 5")):
        left = 11 - n * pitch / 2
        for i in range(n):
            axes.add_patch(Rectangle((left + i * pitch, low), pitch, 1.2, fill=False, ec=GREY))
            middle = left + (i + 0.5) * pitch
            for text, height, color in ((f"{i}", 0.58, INK), (f"{i - (n - 1) / 2:g}", -0.62, DIM)):
                axes.text(
                    middle, low + height, text.replace("-", "−"), ha="center", va="center",
                    fontsize=9.5, color=color, bbox={"fc": "white", "ec": "none", "pad": 1},
                )  # fmt: skip
        axes.text(3.2, low + 0.6, label, va="center", ha="center", fontsize=10)
    axes.plot([11, 11], [3.1, 9.1], color=INK, lw=1.2, ls=(0, (3, 3)))
    axes.text(11, 9.3, "origin, x = 0", ha="center", fontsize=9)
    axes.text(
        10, 1.9, "x = (ix − (n − 1)/2) · voxel_size, and so for y and z", ha="center", fontsize=10
    )
    axes.text(10, 0.6, "center = 296.0 is the middle of column 296, counted from 0", ha="center",
              fontsize=10)  # fmt: skip


def frame(axes: Axes, x: tuple[float, float], y: tuple[float, float], title: str = "") -> None:
    axes.set(xlim=x, ylim=y, aspect="equal")
    axes.set_axis_off()
    if title:
        axes.text(
            sum(x) / 2, y[1] - 0.6, title, ha="center", va="top", fontsize=11.5, weight="bold"
        )


def arrow(axes: Axes, start, end, color: str, width: float = 1.5, both: bool = False) -> None:
    style = "<|-|>" if both else "-|>"
    head = {"arrowstyle": style, "color": color, "lw": width, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=tuple(end), xytext=tuple(start), arrowprops=head)


if __name__ == "__main__":
    matplotlib.rcParams["svg.hashsalt"] = "physrecon"  # the same drawing is the same file
    folder = Path(sys.argv[1] if sys.argv[1:] else Path(__file__).parent / "img")
    geometry().savefig(folder / "geometry.svg", metadata={"Date": None})
    if "--png" in sys.argv:
        geometry().savefig(folder / "geometry.png", dpi=110)
