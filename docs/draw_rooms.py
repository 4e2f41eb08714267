"""Draws img/rooms.svg, the rooms and who imports whom, from the imports themselves.

    python docs/draw_rooms.py            # writes the picture
    python docs/draw_rooms.py --check    # exit code 1 if it is stale

A room is a folder of `physrecon/` or one of the files beside them.  An arrow is left out where a
longer way shows the same: that is the transitive reduction.  Imports for types alone do not count.
Rows come from the longest way down from the top, the order within a row from the barycentres of
the neighbours (Sugiyama et al. 1981), and the places from least squares that keep the order."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from html import escape
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs/img/rooms.svg"

Arrows = dict[str, set[str]]

RUN, DATA, MATHEMATICS, BASE = "#1f6feb", "#1a7f4b", "#c2570c", "#52606d"
LEGEND = {RUN: "run", DATA: "data", MATHEMATICS: "mathematics", BASE: "foundations"}
# room → colour of its layer, its purpose in two lines of at most 24 letters
ROOMS = {
    "cli": (RUN, "commands and options", "of the command line"),
    "demos": (RUN, "simulate, reconstruct,", "compare with the truth"),
    "report": (RUN, "a finished result", "as one page"),
    "pipeline": (RUN, "from a job to its result,", "piece by piece"),
    "jobs": (DATA, "what is to be done,", "as frozen values"),
    "io": (DATA, "scans, images, volumes:", "files in and out"),
    "datasets": (DATA, "phantoms and", "simulated scans"),
    "preprocess": (DATA, "raw counts", "→ line integrals"),
    "psf": (DATA, "point-spread functions:", "models, beads"),
    "pictures": (DATA, "arrays → PNG", ""),
    "model_check": (DATA, "does a residual", "look like noise?"),
    "solvers": (MATHEMATICS, "one loop,", "one algorithm a file"),
    "problem": (MATHEMATICS, "likelihood + prior", "+ constraint"),
    "likelihoods": (MATHEMATICS, "f(x) = Σ φ(A x; y),", "models of noise"),
    "priors": (MATHEMATICS, "R(x) and", "its proximal map"),
    "analytic": (MATHEMATICS, "closed formulas:", "FBP, Wiener"),
    "alignment": (MATHEMATICS, "geometry and volume", "found together"),
    "operators": (MATHEMATICS, "A x, Aᵀ y, Jacobians,", "bounds of ‖A‖"),
    "geometry": (BASE, "where source, detector", "and voxels are"),
    "arrays": (BASE, "where numbers live:", "CPU, GPU, disk"),
    "kernels": (BASE, "Numba loops", "on CPU and CUDA"),
    "catalog": (BASE, "every word that", "a job may use"),
    "sizes": (BASE, "“4GB”, “a:b”", "and back"),
    "machine": (BASE, "free memory", ""),
    "comparison": (DATA, "PSNR, SSIM and", "profiles of images"),
    "napari_plugin": (RUN, "volumes and samples", "in napari"),
    "notebook": (BASE, "text and thumbnail", "of an object"),
    "foreign": (BASE, "arrays of other", "libraries: nothing lost"),
}
EVERYBODYS = {"errors", "cancellation"}  # imported by nearly every room: not drawn

WIDTH, HEIGHT = 156, 62  # of a room, in pixels
GAP, LANE, ROW = 22, 26, 112  # between rooms; the width of an arrow that passes; from row to row
MARGIN, FOOT = 24, 64
STIFF = 12  # how much straighter than other arrows one is where it passes a row
FONT = "font-family='DejaVu Sans, Verdana, Helvetica, sans-serif'"


def imports(node: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """(module, names) of every import below a node, those for types alone left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, []) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield child.module or "", [alias.name for alias in child.names]
        elif not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from imports(child)


def find_arrows() -> Arrows:
    """Room → the rooms that its files import."""
    arrows: Arrows = {}
    package = ROOT / "physrecon"
    for folder in (package, ROOT / "kernels", ROOT / "datasets"):
        for path in sorted(folder.rglob("*.py")):
            place = path.relative_to(package if folder == package else ROOT)
            room = place.parts[0].removesuffix(".py")
            if room.startswith("__") or (folder == package and (package / room).is_symlink()):
                continue
            known = arrows.setdefault(room, set())
            for module, names in imports(ast.parse(path.read_text(encoding="utf-8"))):
                first, *rest = module.split(".")
                if first == "physrecon":
                    known |= {rest[0]} if rest else {n for n in names if not n.startswith("__")}
    for room in EVERYBODYS:
        assert not arrows.pop(room), f"{room} imports nothing"
    return {room: known - {room, *EVERYBODYS} for room, known in sorted(arrows.items())}


def reduced(arrows: Arrows) -> Arrows:
    """Only the arrows that no longer way replaces.  Raises RecursionError for rooms in a circle."""

    def below(room: str) -> set[str]:
        return set().union(*({other} | below(other) for other in arrows[room]))

    return {
        room: {one for one in known if not any(one in below(other) for other in known)}
        for room, known in arrows.items()
    }


def rows_of(arrows: Arrows) -> list[list[str]]:
    """The rooms row by row, each as far up as those that import it allow."""
    above = {room: [other for other in arrows if room in arrows[other]] for room in arrows}

    def depth(room: str) -> int:
        return max((1 + depth(other) for other in above[room]), default=0)

    rows: list[list[str]] = [[] for _ in range(1 + max(map(depth, arrows)))]
    for room in sorted(arrows):
        rows[depth(room)].append(room)
    return rows


def with_lanes(arrows: Arrows, rows: list[list[str]]) -> list[tuple[str, ...]]:
    """Put a lane into every row that an arrow passes; the ways of the arrows, node by node."""
    row = {room: i for i, names in enumerate(rows) for room in names}
    ways = []
    for start in sorted(arrows):
        for end in sorted(arrows[start]):
            lanes = [f"{start}>{end}>{i}" for i in range(row[start] + 1, row[end])]
            for i, lane in enumerate(lanes, row[start] + 1):
                rows[i].append(lane)
            ways.append((start, *lanes, end))
    return ways


def is_lane(node: str) -> bool:
    return ">" in node


def place(rows: list[list[str]], ways: list[tuple[str, ...]]) -> dict[str, float]:
    """Sort every row, in place; node → x of its middle."""
    links: dict[str, list[str]] = {node: [] for row in rows for node in row}
    for way in ways:
        for one, other in pairwise(way):
            links[one].append(other)
            links[other].append(one)
    x = {node: float(i - len(row) / 2) for row in rows for i, node in enumerate(row)}
    row_of = {node: i for i, row in enumerate(rows) for node in row}

    def barycentre(node: str, step: int) -> float:
        near = [x[other] for other in links[node] if row_of[other] == row_of[node] - step]
        return sum(near) / len(near) if near else x[node]

    def sweep(step: int) -> None:
        for row in rows[::step]:
            row.sort(key=lambda node: (barycentre(node, step), node))
            x.update({node: i - (len(row) - 1) / 2 for i, node in enumerate(row)})

    def crossings() -> int:
        count = 0
        for upper in range(len(rows) - 1):
            legs = [leg for way in ways for leg in pairwise(way) if row_of[leg[0]] == upper]
            count += sum((x[a] - x[c]) * (x[b] - x[d]) < 0 for a, b in legs for c, d in legs)
        return count

    best, fewest = [list(row) for row in rows], sys.maxsize
    for turn in range(24):
        sweep(1 if turn % 2 == 0 else -1)
        if (now := crossings()) < fewest:
            best, fewest = [list(row) for row in rows], now
    rows[:] = best
    for row in rows:
        x.update(dict(zip(row, spread(row, [0.0] * len(row)), strict=True)))

    def pulled(node: str) -> float:
        weights = [STIFF if is_lane(node) and is_lane(other) else 1 for other in links[node]]
        pull = sum(w * x[other] for w, other in zip(weights, links[node], strict=True))
        return pull / sum(weights) if weights else x[node]

    for turn in range(400):  # down, then up
        for row in rows[:: 1 if turn % 2 == 0 else -1]:
            x.update(dict(zip(row, spread(row, [pulled(node) for node in row]), strict=True)))
    return x


def spread(row: list[str], wanted: list[float]) -> list[float]:
    """The places nearest to those wanted, in least squares, at which nothing overlaps.

    Pool adjacent violators: isotonic regression of what is left when the widths are taken off."""
    offsets, at = [], 0.0
    for i, node in enumerate(row):
        width = LANE if is_lane(node) else WIDTH + GAP
        at += width / 2 if i else 0.0
        offsets.append(at)
        at += width / 2
    blocks: list[list[float]] = []  # [sum, count]
    for place, offset in zip(wanted, offsets, strict=True):
        blocks.append([place - offset, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + count]
    level = [total / count for total, count in blocks for _ in range(int(count))]
    return [place + offset for place, offset in zip(level, offsets, strict=True)]


def drawing(arrows: Arrows) -> str:
    """The picture as SVG."""
    if missing := arrows.keys() - ROOMS.keys():
        raise SystemExit(f"ROOMS: expected a line for {', '.join(sorted(missing))}, got none")
    arrows = reduced(arrows)
    rows = rows_of(arrows)
    ways = with_lanes(arrows, rows)
    x = place(rows, ways)
    left = min(x.values()) - WIDTH / 2 - MARGIN
    x = {node: round(at - left) for node, at in x.items()}
    y = {node: MARGIN + i * ROW for i, row in enumerate(rows) for node in row}
    width = max(at + (0 if is_lane(node) else WIDTH // 2) for node, at in x.items()) + MARGIN
    height = MARGIN + (len(rows) - 1) * ROW + HEIGHT + FOOT
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
        f"viewBox='0 0 {width} {height}' {FONT}>",
        "<title>The rooms of physrecon and who imports whom</title>",
        "<defs>",
        *(
            f"<marker id='head{i}' viewBox='0 0 8 8' refX='7.5' refY='4' markerWidth='8' "
            f"markerHeight='8' orient='auto'>"
            f"<path d='M0 0.8 L8 4 L0 7.2 z' fill='{color}'/></marker>"
            for i, color in enumerate(LEGEND)
        ),
        "</defs>",
        f"<rect width='{width}' height='{height}' fill='white'/>",
        *(line_of(way, ways, x, y) for way in ways),
        *(line for room in sorted(arrows) for line in box(room, x[room], y[room])),
        *footer(height),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def line_of(
    way: tuple[str, ...], ways: list[tuple[str, ...]], x: dict[str, int], y: dict[str, int]
) -> str:
    """An arrow: a curve through its lanes, from one of the ports below a room to one above."""

    def port(room: str, rivals: list[tuple[str, ...]], near: int) -> int:
        order = sorted(rivals, key=lambda other: (x[other[near]], other))
        step = min(16, (WIDTH - 40) // max(len(order) - 1, 1))
        return round(x[room] + step * (order.index(way) - (len(order) - 1) / 2))

    start, end = way[0], way[-1]
    color = ROOMS[start][0]
    at = port(start, [w for w in ways if w[0] == start], 1)
    level = y[start] + HEIGHT
    path = f"M{at} {level}"
    for node in way[1:]:
        last = node == end
        to = port(end, [w for w in ways if w[-1] == end], -2) if last else x[node]
        bend = (ROW - HEIGHT) // 2
        path += f" C{at} {level + bend} {to} {y[node] - bend} {to} {y[node]}"
        at, level = to, y[node] + HEIGHT
        path += "" if last else f" L{at} {level}"
    head = list(LEGEND).index(color)
    return (
        f"<path d='{path}' fill='none' stroke='{color}' stroke-width='1.3' stroke-opacity='0.75' "
        f"marker-end='url(#head{head})'><title>{start} → {end}</title></path>"
    )


def box(room: str, x: int, y: int) -> list[str]:
    color, *purpose = ROOMS[room]
    corner = f"x='{x - WIDTH // 2}' y='{y}' width='{WIDTH}' height='{HEIGHT}' rx='8'"
    return [
        f"<rect {corner} fill='white'/>",
        f"<rect {corner} fill='{color}' fill-opacity='0.08' stroke='{color}' stroke-width='1.4'/>",
        text(x, y + 20, room, f"font-size='13.5' font-weight='bold' fill='{color}'"),
        *(text(x, y + 37 + 15 * i, line, "font-size='11' fill='#1f2933'")
          for i, line in enumerate(purpose) if line),
    ]  # fmt: skip


def footer(height: int) -> list[str]:
    lines = []
    for i, (color, name) in enumerate(LEGEND.items()):
        at = MARGIN + 118 * i
        lines.append(
            f"<rect x='{at}' y='{height - 48}' width='12' height='12' rx='3' fill='{color}'/>"
        )
        lines.append(text(at + 18, height - 38, name, "font-size='11' fill='#1f2933'", "start"))
    note = (
        "An arrow means: imports. Arrows that a longer way implies are left out, and so is errors, "
        "which all rooms but the kernels import."
    )
    return [*lines, text(MARGIN, height - 14, note, "font-size='11' fill='#52606d'", "start")]


def text(x: int, y: int, words: str, style: str, anchor: str = "middle") -> str:
    return f"<text x='{x}' y='{y}' text-anchor='{anchor}' {style}>{escape(words)}</text>"


if __name__ == "__main__":
    picture = drawing(find_arrows())
    if "--check" in sys.argv[1:]:
        if not PICTURE.exists() or PICTURE.read_text(encoding="utf-8") != picture:
            sys.exit(f"{PICTURE.name}: the imports have changed; run python docs/draw_rooms.py")
    else:
        PICTURE.write_text(picture, encoding="utf-8")
