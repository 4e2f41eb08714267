"""Draws img/scan_*.svg of docs/guide/geometry.md: `python docs/draw_scans.py [FOLDER] [--png]`.

Sources, detectors and rays are those of `scan.rays()`, so the drawings show what is computed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from draw_geometry import BLUE, DIM, GREEN, GREY, INK, ORANGE, PALE, arrow
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import physrecon as pr

Z, Y, X = np.eye(3)
TURN = np.deg2rad(np.arange(361.0))
LENGTHS = {"angle_unit": "deg", "source_origin": 6.0, "source_detector": 10.0}
CONE = {"detector_shape": (6, 8), "pixel_size": 0.7, **LENGTHS}


class Scene:
    """Drawing in space: points (z, y, x) on the sheet, by a camera far away."""

    def __init__(self, axes: Axes, azimuth: float = 66.0, elevation: float = 20.0) -> None:
        a, e = np.deg2rad([azimuth, elevation])
        self.axes = axes
        into = np.cos(a) * Y - np.sin(a) * X
        self.screen = np.stack([np.cos(a) * X + np.sin(a) * Y, np.cos(e) * Z + np.sin(e) * into])
        axes.set_aspect("equal")
        axes.set_axis_off()

    def at(self, points: Any) -> Any:
        return np.asarray(points, np.float64) @ self.screen.T

    def line(self, *points: Any, color: str = INK, **style: Any) -> None:
        self.axes.plot(*self.at(points).T, color=color, **{"lw": 1.2, **style})

    def dot(self, point: Any, color: str = INK, size: float = 5) -> None:
        self.axes.plot(*self.at(point), "o", color=color, ms=size, zorder=5)

    def arrow(self, start: Any, end: Any, color: str = INK, both: bool = False) -> None:
        arrow(self.axes, self.at(start), self.at(end), color, both=both)

    def text(self, point: Any, text: str, color: str = INK, right: float = 0.0, up: float = 0.0,
             **style: Any) -> None:  # fmt: skip
        place = np.add(self.at(point), [right, up])
        self.axes.text(*place, text, color=color, **{"fontsize": 10, "ha": "center",
                       "va": "center", **style})  # fmt: skip

    def length(self, start: Any, end: Any, text: str, away: Any, color: str = DIM,
               **style: Any) -> None:  # fmt: skip
        """A dimension: an arrow of two heads, moved `away` from what it measures."""
        start, end, away = (np.asarray(v, np.float64) for v in (start, end, away))
        for tip in (start, end):
            self.line(tip, tip + 1.08 * away, color=PALE)
        self.arrow(start + away, end + away, color, both=True)
        self.text((start + end) / 2 + 1.0 * away, text, color, **{"up": -0.35, **style})

    def axis(self, low: float = -3.2, high: float = 3.6, tip: Any = Z, name: str = "z") -> None:
        self.line(low * tip, high * tip, color=INK, lw=1, ls=(0, (5, 3)))
        self.arrow((high - 0.1) * tip, (high + 0.5) * tip)
        away = {"right": 0.3} if len(name) == 1 else {"right": -0.3, "ha": "right"}
        self.text((high + 0.5) * tip, name, style="italic", fontsize=12, **away)
        self.dot(0 * Z)

    def body(self, radius: float = 1.5, half: float = 1.2) -> None:
        """A cylinder about the axis: the object."""
        ring = radius * (np.cos(TURN)[:, None] * X + np.sin(TURN)[:, None] * Y)
        for z in (-half, half):
            self.axes.fill(*self.at(ring + z * Z).T, fc=PALE, ec=GREY, lw=0.8, alpha=0.45)
        edge = ring[np.argsort(self.at(ring)[:, 0])[[0, -1]]]
        for side in edge:
            self.line(side - half * Z, side + half * Z, color=GREY, lw=0.8)

    def detector(self, rays: Any, shape: tuple[int, int], view: int = 0) -> Any:
        """The edge and the pixels; the place of (row, column)."""
        rows, columns = np.arange(shape[0] + 1) - 0.5, np.arange(shape[1] + 1) - 0.5

        def place(row: Any, column: Any) -> Any:
            return rays.points(np.atleast_1d(row), np.atleast_1d(column))[view]

        fine = np.linspace(columns[0], columns[-1], 60)
        edge = np.concatenate([place(rows[0], fine)[0], place(rows[-1], fine[::-1])[0]])
        self.axes.fill(*self.at(edge).T, fc="#dbe8fd", ec=BLUE, lw=1.4, alpha=0.9)
        for row in rows:
            self.axes.plot(*self.at(place(row, fine)[0]).T, color=BLUE, lw=0.35)
        for column in columns:
            self.line(place(rows[0], column)[0, 0], place(rows[-1], column)[0, 0], color=BLUE,
                      lw=0.35)  # fmt: skip
        return lambda row, column: place(row, column)[0, 0]

    def indices(self, pixel: Any, shape: tuple[int, int]) -> None:
        """Which way columns and rows are counted."""
        r = -1.2
        self.arrow(pixel(r, 0), pixel(r, shape[1] - 0.5), BLUE)
        self.text(pixel(r, shape[1] / 2), "columns, u", BLUE, right=-0.2, up=-0.35, ha="right")
        self.arrow(pixel(0, shape[1] + 0.2), pixel(shape[0] - 0.5, shape[1] + 0.2), BLUE)
        self.text(pixel(shape[0] / 2, shape[1] + 0.2), "rows, v", BLUE, right=0.25, ha="left")


def parallel() -> Figure:
    """Parallel rays: columns, rows, row_offset, center."""
    figure, axes = sheet(8.2, 5.0, (-7.0, 9.4), (-4.6, 4.8))
    scene, shape = Scene(axes), (6, 8)
    scan = pr.ParallelBeam([0], shape, angle_unit="deg", pixel_size=0.7, center=3.5, row_offset=1)
    rays = scan.rays().moved(np.eye(3), 5.0 * Y)
    scene.axis()
    scene.body()
    pixel = scene.detector(rays, shape)
    for row, column in ((0, 0), (0, 7), (5, 0), (5, 7)):
        scene.line(pixel(row, column) - 10.5 * Y, pixel(row, column), color=ORANGE, lw=0.9)
    scene.line(-5.5 * Y, 5 * Y, color=GREY, ls=(0, (4, 3)))
    offset(scene, pixel, scan)
    for row, column in ((0, 0), (5, 7)):
        scene.arrow(pixel(row, column) - 10.5 * Y, pixel(row, column) - 9.5 * Y, ORANGE)
    scene.text(pixel(0, 7) - 9.0 * Y, "parallel rays", ORANGE, up=-0.15, right=0.4)
    turn_arrow(scene, 2.3)
    scene.indices(pixel, shape)
    pitch_marks(scene, pixel)
    text = "row r sees slice r; center is the column of the axis, seen at the row z = 0"
    axes.text(1.2, -4.4, text, ha="center", fontsize=9.5)
    return figure


def tilted() -> Figure:
    """The axis leans towards the source; the detector stays across the rays."""
    figure, axes = sheet(8.6, 4.6, (-8.0, 9.4), (-4.6, 4.7))
    scene, shape, tilt = Scene(axes, 90, 0), (7, 8), 25.0
    scan = pr.TiltedBeam([0], shape, angle_unit="deg", pixel_size=0.7, tilt=tilt)
    up = scan.rays().v[0] / 0.7
    beam = scan.rays().source[0]
    away = np.array([beam, up, X])  # the laboratory: the beam is level
    level = np.linalg.inv(away.T) @ np.eye(3)
    turned = np.stack([level[1], level[0], level[2]])  # (rows, beam, columns) become (z, y, x)
    rays = scan.rays().moved(turned).moved(np.eye(3), 5.5 * Y)
    axis = turned @ Z
    pixel_at = rays.points([-0.5, 6.5], [3.5])[0, :, 0]
    sample = np.array([[-0.35, -2.6], [-0.35, 2.6], [0.35, 2.6], [0.35, -2.6]])
    axes.fill(*scene.at(sample @ np.stack([axis, turned @ Y])).T, fc=PALE, ec=GREY, lw=0.9)
    scene.axis(-3.0, 3.3, axis, "axis of rotation, z")
    scene.line(*pixel_at, color=BLUE, lw=4)
    for row in (0, 3, 6):
        end = rays.points([row], [3.5])[0, 0, 0]
        scene.line(end - 12 * Y, end, color=ORANGE, lw=1)
        scene.arrow(end - 12 * Y, end - 11 * Y, ORANGE)
    scene.arrow(pixel_at[0] + 0.5 * Y, pixel_at[1] + 0.5 * Y, BLUE)
    scene.text(5.5 * Y, "rows, v", BLUE, right=0.8, ha="left")
    text = "roll turns the\ndetector about\nthe ray"
    scene.text(5.5 * Y, text, DIM, right=0.8, up=-1.3, ha="left", fontsize=9.5)
    scene.line(0 * Z, 3.2 * Z, color=GREY, ls=(0, (2, 2)))
    arc = np.deg2rad(np.linspace(0, tilt, 20))[:, None]
    scene.line(*(2.6 * (np.cos(arc) * Z - np.sin(arc) * Y)), color=GREEN, lw=1.8)
    scene.text(2.9 * Z - 0.62 * Y, "tilt", GREEN, up=0.05, fontsize=11)
    scene.text(-6.2 * Y, "parallel rays", ORANGE, up=0.35)
    scene.dot(5.5 * Y)
    scene.text(5.5 * Y, "center", right=-0.55, up=0.3, fontsize=9.5)
    axes.text(0.7, -4.3, "seen from the side; columns run towards you", ha="center", fontsize=9.5)
    return figure


def fan() -> Figure:
    """From +z: distances, angle, centre; a flat and a curved detector."""
    figure, axes = sheet(7.6, 7.2, (-8.6, 8.6), (-8.6, 7.6))
    scene, theta = Scene(axes, 0, 90), 28.0
    given = {"pixel_size": 1.0, "center": 3.5, **LENGTHS}
    flat, bent = (
        pr.FanBeam([theta], (1, 9), **given, detector=kind).rays() for kind in ("flat", "curved")
    )
    source, center = flat.source[0], flat.centre[0]
    b = flat.axis[0] / 10
    fine = np.linspace(-0.5, 8.5, 80)
    circle = 6.0 * np.stack([0 * TURN, np.sin(TURN), np.cos(TURN)], axis=1)
    scene.line(*circle, color=PALE, lw=1.2)
    axes.add_patch(matplotlib.patches.Circle((0, 0), 2.2, fc=PALE, ec=GREY, lw=0.8))
    scene.line(*bent.points([0], fine)[0, 0], color=GREEN, lw=3)
    scene.line(*flat.points([0], fine)[0, 0], color=BLUE, lw=4)
    for column in np.arange(10) - 0.5:
        for rays, color in ((flat, BLUE), (bent, GREEN)):
            mark = rays.points([0], [column])[0, 0, 0]
            scene.line(mark - 0.12 * b, mark + 0.12 * b, color=color, lw=1)
    for column in (0, 8):
        scene.line(source, flat.points([0], [column])[0, 0, 0], color=ORANGE, lw=1)
    scene.line(source, center, color=GREY, ls=(0, (4, 3)))
    u = flat.u[0]
    for tip, name in ((4.6 * X, "x"), (4.6 * Y, "y")):
        scene.arrow(0 * Z, tip)
        scene.text(1.07 * tip, name, style="italic", fontsize=13)
    scene.dot(0 * Z)
    scene.text(0 * Z, "axis of rotation, z", right=-0.2, up=-0.4, fontsize=9.5, ha="right")
    scene.dot(source, ORANGE, 7)
    scene.text(source, "source", ORANGE, right=0.55, up=-0.35, ha="left")
    scene.text(source, "source_origin · (sin θ, −cos θ)", DIM, right=0.55, up=-0.95, ha="left",
               fontsize=9)  # fmt: skip
    scene.dot(center)
    scene.text(center + 0.6 * b, "center", rotation=theta)
    end = flat.points([0], [8.5])[0, 0, 0]
    scene.arrow(end, end + 1.3 * u, BLUE)
    scene.text(end + 1.4 * u + 0.45 * b, "columns, u", BLUE, rotation=theta)
    scene.text(flat.points([0], [0.6])[0, 0, 0] + 0.55 * b, 'detector="flat"', BLUE, rotation=theta)
    last = bent.points([0], [8.5])[0, 0, 0]
    scene.text(last - 0.9 * b + 0.3 * u, '"curved": columns\nof equal angles', GREEN, fontsize=9.5,
               ha="left")  # fmt: skip
    one, two = (flat.points([0], [c])[0, 0, 0] + 0.3 * b for c in (6, 7))
    scene.arrow(one, two, DIM, both=True)
    scene.text((one + two) / 2 + 0.4 * b, "column pitch", DIM, rotation=theta, fontsize=9.5)
    scene.length(source, 0 * Z, "source_origin", -3.6 * u, rotation=theta - 90, up=0.0, right=-0.35)
    scene.length(source, center, "source_detector", -5.6 * u, rotation=theta - 90, up=0.0,
                 right=-0.35)  # fmt: skip
    scene.line(0 * Z, 3.6 * u, color=GREEN, ls=(0, (2, 2)))
    arc = np.deg2rad(np.linspace(0, theta, 30))[:, None]
    scene.line(*(3.3 * (np.cos(arc) * X + np.sin(arc) * Y)), color=GREEN, lw=1.8)
    scene.text(3.7 * X + 0.9 * Y, "θ", GREEN, fontsize=14)
    return figure


def cone() -> Figure:
    """In space, and what roll, pitch and yaw do to the detector."""
    figure = Figure((9.6, 8.4))
    FigureCanvasAgg(figure)
    axes = panel(figure, (0.0, 0.4, 1.0, 0.6), (-8.2, 9.2), (-5.0, 5.0))
    scene, shape = Scene(axes), CONE["detector_shape"]
    scan = pr.ConeBeam([0], **CONE, center=3.5, row_offset=1)
    rays = scan.rays()
    source = rays.source[0]
    scene.axis()
    scene.body()
    orbit(scene)
    pixel = scene.detector(rays, shape)
    for row, column in ((-0.5, -0.5), (-0.5, 7.5), (5.5, -0.5), (5.5, 7.5)):
        scene.line(source, pixel(row, column), color=ORANGE, lw=0.9)
    scene.line(source, rays.centre[0], color=GREY, ls=(0, (4, 3)))
    scene.dot(source, ORANGE, 7)
    scene.text(source, "source", ORANGE, up=0.5, right=-0.3)
    offset(scene, pixel, scan)
    scene.length(source, 0 * Z, "source_origin", -3.3 * Z)
    scene.length(source, rays.centre[0], "source_detector", -4.1 * Z)
    scene.indices(pixel, shape)
    pitch_marks(scene, pixel)
    for tip, name in ((1.3 * Z, "z"), (1.3 * Y, "b"), (1.9 * X, "u")):
        scene.arrow(source, source + tip, GREEN)
        scene.text(source + 1.2 * tip, name, GREEN, style="italic", fontsize=11)
    text = (
        "frame of a view: shifts move source and detector,\n"
        "source_offset the source alone, by (z, b, u)"
    )
    axes.text(-8.0, 4.5, text, color=GREEN, fontsize=9.5, va="center")
    texts = {
        "roll": "seen from the source:\ncolumns turn to the rows",
        "pitch": "seen along the columns:\nhigher rows lean away",
        "yaw": "seen from +z:\nhigher columns lean away",
    }
    for k, (name, text) in enumerate(texts.items()):
        axes = panel(figure, (0.02 + k / 3, 0.0, 0.3, 0.4), (-3.4, 3.4), (-3.5, 3.6))
        view = {"roll": (0, 0), "pitch": (90, 0), "yaw": (0, 90)}[name]
        scene = Scene(axes, *view)
        plain, turned = (
            pr.ConeBeam([0], (6, 8), angle_unit="deg", source_origin=1, source_detector=1,
                        pixel_size=0.55, **{name: angle}).rays() for angle in (0, 25)
        )  # fmt: skip
        corners = [(-0.5, -0.5), (-0.5, 7.5), (5.5, 7.5), (5.5, -0.5), (-0.5, -0.5)]
        for rays, color, width in ((plain, GREY, 1), (turned, BLUE, 2.5)):
            edge = np.array([rays.points([r], [c])[0, 0, 0] for r, c in corners])
            scene.line(*edge, color=color, lw=width, ls="-" if color == BLUE else (0, (3, 3)))
        scene.dot(0 * Z)
        step = turned.v[0] if name == "pitch" else turned.u[0]
        base = plain.v[0] if name == "pitch" else plain.u[0]
        scene.arrow(0 * Z, 4.6 * step, BLUE)
        scene.line(0 * Z, 4.6 * base, color=GREY, ls=(0, (2, 2)))
        scene.text(5.3 * step, "rows" if name == "pitch" else "columns", BLUE, fontsize=9.5)
        arc = np.linspace(0, np.deg2rad(25), 20)[:, None]
        other = {"roll": Z, "pitch": Y, "yaw": Y}[name]
        scene.line(*(2.0 * (np.cos(arc) * base / 0.55 + np.sin(arc) * other)), color=GREEN, lw=1.8)
        if name != "roll":
            tail, side = (-2.9, (0.5, -0.35)) if name == "pitch" else (-2.2, (0.6, 0.3))
            scene.arrow(tail * Y, (tail + 1.2) * Y, ORANGE)
            scene.text(tail * Y, "beam", ORANGE, *side, fontsize=9.5)
        axes.text(0, 3.25, name, ha="center", color=GREEN, fontsize=12, weight="bold")
        axes.text(0, -3.2, text, ha="center", va="center", fontsize=9.5)
    return figure


def helical() -> Figure:
    """The path of the source."""
    figure, axes = sheet(8.4, 4.9, (-9.4, 8.8), (-5.4, 5.2))
    scene, shape = Scene(axes), CONE["detector_shape"]
    scan = pr.HelicalCone([0], **CONE, rise=2.2, center=3.5)
    path = pr.HelicalCone(np.arange(-450, 451.0, 3), **CONE, rise=2.2).rays().source
    scene.axis(-3.6, 4.0)
    scene.body(1.5, 2.6)
    scene.line(*path, color=ORANGE, lw=1.1)
    arrow(axes, scene.at(path[-2]), scene.at(path[-1]), ORANGE)
    rays = scan.rays()
    source = rays.source[0]
    pixel = scene.detector(rays, shape)
    for row, column in ((-0.5, -0.5), (-0.5, 7.5), (5.5, -0.5), (5.5, 7.5)):
        scene.line(source, pixel(row, column), color=ORANGE, lw=0.6)
    scene.line(source, rays.centre[0], color=GREY, ls=(0, (4, 3)))
    scene.dot(source, ORANGE, 7)
    scene.text(source, "source at\nangle 0: z = 0", ORANGE, right=-0.3, up=-0.7, ha="right",
               fontsize=9.5)  # fmt: skip
    scene.dot(source + 2.2 * Z, ORANGE, 5)
    scene.arrow(source, source + 2.2 * Z, GREEN, both=True)
    scene.text(source + 1.1 * Z, "rise\nin a turn", GREEN, right=-0.2, ha="right")
    scene.dot(pixel(scan.axis_row, 3.5))
    scene.text(pixel(scan.axis_row, 3.5), "center", up=0.35, fontsize=9.5)
    scene.indices(pixel, shape)
    text = "heights states z of every view instead; the detector rises with the source"
    axes.text(0.5, -5.0, text, ha="center", fontsize=9.5)
    return figure


def vector() -> Figure:
    """Two views with vectors of their own."""
    figure, axes = sheet(8.6, 5.4, (-8.4, 9.6), (-4.6, 5.6))
    scene, shape = Scene(axes), (5, 6)
    lean = pr.ConeBeam(
        [0, -24], shape, **LENGTHS, pixel_size=0.8, roll=12, yaw=20, pitch=8,
        source_offset=[[-2.0, 0, 0], [0.6, 0.5, 0]], shifts=(1.2, 0, 0),
    )  # fmt: skip
    scan = pr.VectorBeam.of(lean)
    rays = scan.rays()
    for tip, name in ((2.2 * Z, "z"), (2.2 * Y, "y"), (3.0 * X, "x")):
        scene.arrow(0 * Z, tip)
        scene.text(1.13 * tip, name, style="italic", fontsize=12)
    scene.dot(0 * Z)
    pixel = scene.detector(rays, shape)
    source, center = rays.source[0], rays.centre[0]
    for row, column in ((-0.5, -0.5), (-0.5, 5.5), (4.5, -0.5), (4.5, 5.5)):
        scene.line(source, pixel(row, column), color=ORANGE, lw=0.8)
    scene.dot(source, ORANGE, 7)
    scene.text(source, "source[0]", ORANGE, right=-0.3, up=-0.45)
    scene.dot(rays.source[1], ORANGE, 5)
    scene.text(rays.source[1], "source[1]", ORANGE, right=-0.3, up=0.4)
    scene.line(*rays.source, color=ORANGE, lw=0.8, ls=(0, (2, 2)))
    scene.dot(center)
    scene.arrow(0 * Z, center, GREY)
    scene.text(center * 0.45, "detector_center[0]", DIM, up=0.5, right=-0.2, fontsize=9.5)
    for step, name in ((rays.u[0], "u"), (rays.v[0], "v")):
        scene.arrow(center, center + 2.4 * step, BLUE)
        scene.text(center + 2.8 * step, name, BLUE, style="italic", fontsize=13, weight="bold")
    scene.text(pixel(4.5, 2.5), "u: to the next column\nv: to the next row", BLUE, up=0.9,
               fontsize=9.5)  # fmt: skip
    text = (
        "all vectors are (z, y, x) in world units; "
        "parallel rays have direction[view] in place of source[view]"
    )
    axes.text(0.5, -4.4, text, ha="center", fontsize=9.5)
    return figure


def offset(scene: Scene, pixel: Any, scan: Any) -> None:
    """Where the axis and z = 0 are seen, and the middle row above it."""
    middle = (scan.detector_shape[0] - 1) / 2
    seen, above = pixel(scan.axis_row, 3.5), pixel(middle, 3.5)
    scene.dot(seen)
    scene.text(seen, "center", up=-0.35, fontsize=9.5)
    scene.line(pixel(middle, -0.5), pixel(middle, 7.5), color=GREEN, lw=1, ls=(0, (4, 3)))
    scene.arrow(seen, above, GREEN)
    scene.text(above, "row_offset", GREEN, up=0.45, right=0.1, fontsize=9.5)


def orbit(scene: Scene) -> None:
    """The circle of the source, and the sense of rotation."""
    ring = 6.0 * np.stack([0 * TURN, -np.cos(TURN), np.sin(TURN)], axis=1)
    scene.line(*ring, color=PALE, lw=1.4)
    scene.arrow(ring[26], ring[30], GREEN)
    scene.text(ring[28], "θ", GREEN, up=-0.45, fontsize=13)


def turn_arrow(scene: Scene, radius: float) -> None:
    arc = np.deg2rad(np.linspace(-60, 30, 60))[:, None]
    ring = radius * (np.cos(arc) * X + np.sin(arc) * Y)
    scene.line(*ring[:-4], color=GREEN, lw=1.6)
    scene.arrow(ring[-6], ring[-1], GREEN)
    scene.text(ring[20], "θ", GREEN, up=-0.4, fontsize=13)


def pitch_marks(scene: Scene, pixel: Any) -> None:
    """The pitches of one pixel at the upper edge."""
    scene.arrow(pixel(5.9, 4.5), pixel(5.9, 5.5), DIM, both=True)
    scene.text(pixel(5.9, 5.0), "pixel_size", DIM, up=0.5, right=0.6, fontsize=9.5)


def sheet(width: float, height: float, x: Any, y: Any) -> tuple[Figure, Axes]:
    figure = Figure((width, height))
    FigureCanvasAgg(figure)
    return figure, panel(figure, (0, 0, 1, 1), x, y)


def panel(figure: Figure, place: Any, x: Any, y: Any) -> Axes:
    axes = figure.add_axes(place)
    axes.set(xlim=x, ylim=y)
    return axes


if __name__ == "__main__":
    matplotlib.rcParams["svg.hashsalt"] = "physrecon"  # the same drawing is the same file
    words = [word for word in sys.argv[1:] if word != "--png"]
    folder = Path(words[0] if words else Path(__file__).parent / "img")
    for draw in (parallel, tilted, fan, cone, helical, vector):
        name = f"scan_{draw.__name__}"
        draw().savefig(folder / f"{name}.svg", metadata={"Date": None})
        if "--png" in sys.argv:
            draw().savefig(folder / f"{name}.png", dpi=80)
