"""A finished result as one HTML page: pictures within it, no script, nothing fetched.

slices · histogram · does the model fit? · how it was made · the job · versions and input"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physrecon.io.made import expanded, how_made
from physrecon.io.viewed import AXES, Viewed, cut, middle
from physrecon.pictures.histogram import histogram_figure
from physrecon.pictures.panels import Panel, panels_png
from physrecon.pictures.slices import as_png

MOST_SAMPLES = 1 << 22  # voxels in the histogram
STYLE = """\
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1180px; margin: 2em auto; padding: 0 1em;
  color: #222; background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid #ccc }
table { border-collapse: collapse } td, th { padding: .15em 1em .15em 0; text-align: left;
  vertical-align: top } th { font-weight: 600; color: #555 }
img { max-width: 100%; height: auto } pre { background: #f5f5f5; padding: 1em; overflow-x: auto }
.fits { color: #187a3a } .doubt { color: #a04000; font-weight: 600 }
"""


def report_page(path: str | Path, viewed: Viewed) -> str:
    """The page of a volume or an image.  path: of its file."""
    facts, data = expanded(viewed.configuration), _sampled(viewed)
    places = {axis: middle(viewed, axis) for axis in AXES if viewed.shape[0] > 1 or axis == "z"}
    panels = [Panel(*cut(viewed, axis, i), f"{axis} = {i}") for axis, i in places.items()]
    unit = viewed.unit or "pixel"
    slices = panels_png(panels, unit, viewed.quantity, row_0_on_top=viewed.row_0_on_top)
    parts = [
        _section("Slices", _picture(slices, "middle slices across all axes")),
        _section("Values", _values(data, viewed.quantity)),
        _section("Does the model fit?", _model_check(facts)),
        _section("How it was made", _table(how_made(facts, path))),
        _section("Job", f"<pre>{html.escape(facts['job'])}</pre>" if "job" in facts else ""),
        _section("Versions and input", _table(_origin(facts))),
    ]
    name = html.escape(Path(path).name)
    size = " × ".join(map(str, viewed.shape))
    pitch = " × ".join(f"{p:.6g}" for p in viewed.pitch)
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{name}</title>',
            f"<style>\n{STYLE}</style></head><body>",
            f"<h1>{name}</h1>",
            f"<p>{size} voxels (z × y × x) of {pitch} {html.escape(unit)}, {data.dtype}</p>",
            *filter(None, parts),
            "</body></html>\n",
        ]
    )


def _section(title: str, content: str) -> str:
    return f"<h2>{title}</h2>\n{content}" if content else ""


def _picture(png: bytes, alt: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


def _table(rows: Iterable[tuple[str, str]]) -> str:
    lines = [
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in rows
    ]
    return f"<table>{''.join(lines)}</table>" if lines else ""


def _sampled(viewed: Viewed) -> NDArray[Any]:
    """At most MOST_SAMPLES voxels, of planes spread evenly over the stack."""
    planes, *plane = viewed.shape
    count = max(1, min(planes, MOST_SAMPLES // int(np.prod(plane))))
    chosen = np.unique(np.linspace(0, planes - 1, count).round().astype(int))
    return np.stack([viewed.data[(*viewed.frame, int(z))] for z in chosen])


def _values(data: NDArray[Any], quantity: str) -> str:
    finite = data[np.isfinite(data)].astype(np.float64)
    if not finite.size:
        return "<p class='doubt'>No value is finite.</p>"
    names = ("least", "1 %", "median", "99 %", "largest")
    points = np.percentile(finite, (0, 1, 50, 99, 100))
    rows = [(name, f"{value:.6g}") for name, value in zip(names, points, strict=True)]
    rows += [
        ("mean", f"{finite.mean():.6g}"),
        ("spread (standard deviation)", f"{finite.std():.6g}"),
    ]
    missing = data.size - finite.size
    rows += [("not finite", f"{missing} of {data.size}")] if missing else []
    picture = _picture(as_png(histogram_figure(finite, quantity)), f"histogram of {quantity}")
    return f"{picture}\n{_table(rows)}"


def _model_check(facts: Mapping[str, str]) -> str:
    check = json.loads(facts.get("model_check", "{}"))
    if not check:
        return ""
    sentence = check.get("sentence") or "The residual is what the noise alone would leave."
    kind = "fits" if check.get("fits") else "doubt"
    rows = []
    for name in ("checked", "chi2", "unexplained"):
        if name in check:
            rows.append((name, str(check[name])))
    for axis, value in check.get("correlation", {}).items():
        rows.append((f"correlation of neighbours along {axis}", str(value)))
    for cause, size in check.get("causes", {}).items():
        rows.append((f"explained by {cause}", str(size)))
    return f'<p class="{kind}">{html.escape(sentence)}</p>\n{_table(rows)}'


def _origin(facts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in facts.items():
        if name == "physrecon" or name.startswith(("versions", "input", "psf_")):
            yield name.replace("_", " "), text
