"""How a result was made, from the texts that every output of ours holds.

HDF5 has them as data sets, TIFF and the folder of slices as lines in the description, MRC, which
has room for little, as labels."""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from physrecon.errors import PhysreconError
from physrecon.io.content import HDF5, content_of
from physrecon.io.description import as_map, divided, joined
from physrecon.io.images.image import open_image
from physrecon.io.units import as_printed
from physrecon.io.volumes.volume import open_volume

ASKED = "asked"  # name of the digest of the job that was asked for
STOPPED = "stopped"  # JSON: number of the piece → iterations and the reason
CHECK = "model_check"  # JSON: figures of the check of the model
OF_JOB = (
    "method", "filter", "likelihood", "rings", "padding", "width", "nonnegative",
    "slices", "crop", "bin", "mask",
)  # fmt: skip
# rows of the summary of a result
SHOWN = (
    "method", "iterations", "filter", "likelihood", "prior", "weight", "center", "psf",
    "background", "mask", "stored",
)  # fmt: skip
CLIPPED = "clipped"  # how many values lie beyond the range of the stored ones
STORED = "stored"  # what numbers of fewer bits mean
# name of a text → name of a row
FOUND = {
    "found_center": "center",
    "found_weight": "weight",
    "found_iterations": "iterations",
    "found_psf": "psf",
    "found_background": "background",
}
# of the job, where nothing was found → value that says nothing
# value = 0.5 × stored - 1 in 1/mm
_SCALE = re.compile(r"value = (?:(\S+) [×*] )?stored(?: ([+-]) (\S+))? in (.*)")
STATED: dict[str, Any] = {"center": None, "background": 0.0, "psf": None}


def texts_of(path: str | Path) -> dict[str, str]:
    """The texts of a result of ours, by name; {} for another file.

    Raises DataError for a damaged file, MissingInputError."""
    if content_of(Path(path)).kind != HDF5:
        with open_image(path) as image:
            return parsed(image.description)
    try:
        with open_volume(path) as volume:
            texts = volume.configuration
    except PhysreconError:
        with open_image(path) as image:  # a series of images
            return parsed(image.description)
    return expanded(texts)


def is_result(path: str | Path) -> bool:
    """Whether a file, if it can be read at all, is a result of ours."""
    try:
        return "physrecon" in texts_of(path)
    except PhysreconError:
        return False


def expanded(texts: Mapping[str, str]) -> dict[str, str]:
    """Texts, and those in a description among them."""
    return {**texts, **parsed(texts.get("description", ""))}


def parsed(description: str) -> dict[str, str]:
    """The texts in the description of an image; {} unless it is of ours."""
    texts = as_map(divided(description)[1] or description)
    return texts if "physrecon" in texts else {}


def with_summary(texts: str) -> str:
    """A description of texts, by name, with what a person wants to know of the result first."""
    known = as_map(texts)
    job = _job(known)
    if "physrecon" not in known or not job:
        return texts
    done = "Deconvolved" if job.get("kind") == "deconvolve" else "Reconstructed"
    source = Path(str(job.get("input", "?"))).name
    rows = dict(_settings(known, job))  # of several rows of one name the last
    if "iterations" not in rows:
        rows.pop("likelihood", None)  # of no use to a direct method
    if rows.pop("ended", "") and (reasons := endings(known)):
        rows["iterations"] = f"{max(count for count, _ in _stops(known))}, {'; '.join(reasons[:3])}"
    lines = [f"{name}: {rows[name]}" for name in SHOWN if name in rows]
    if "values" in known and STORED not in rows:
        lines.append(f"values: {known['values']}")
    first = f"{done} from {source} by physrecon {known['physrecon']}"
    return joined("\n".join([first, *lines]), texts)


def scale_of(texts: Mapping[str, str]) -> tuple[float, float, str]:
    """(slope, offset, unit) of value = slope · stored + offset; (1, 0, unit) without a scale."""
    found = _SCALE.search(texts.get(STORED, ""))
    if not found:
        return 1.0, 0.0, texts.get("values", "")
    offset = float(found[3] or 0) * (-1 if found[2] == "-" else 1)
    return float(found[1] or 1), offset, found[4]


def how_made(texts: Mapping[str, str], path: str | Path) -> list[tuple[str, str]]:
    """(name, value) of what a user asks first: input, method, axis, weight, ending, model, place.

    path: of the result, whose time is that of its end."""
    if "physrecon" not in texts:
        return []
    return [(name, as_printed(value)) for name, value in _rows(texts, path)]


def made_facts(texts: Mapping[str, str], path: str | Path) -> dict[str, Any]:
    """The same as plain values, None where a fact is unknown."""
    job, check = _job(texts), _json(texts.get(CHECK, "{}"))
    weight = (job.get("prior") or {}).get("weight")
    return {
        "physrecon": texts.get("physrecon"),
        "input": job.get("input"),
        "method": job.get("method", texts.get("method")),
        "iterations": max((count for count, _ in _stops(texts)), default=None),
        "stopped": endings(texts),
        "center": _number(job.get("center")),
        "weight": _number(weight),
        "model_fits": check.get("fits"),
        "model_doubt": check.get("sentence"),
        "host": texts.get("host"),
        "written": _written(path),
    }


def endings(texts: Mapping[str, str]) -> list[str]:
    """Why the solver stopped: each reason once, in the order of the pieces."""
    return list(dict.fromkeys(reason for _, reason in _stops(texts)))


def with_stop(facts: Mapping[str, str], piece: int, iterations: int, reason: str) -> dict[str, str]:
    """The fact of how the pieces so far ended, this one included."""
    stops = {**_json(facts.get(STOPPED, "{}")), str(piece): [iterations, reason]}
    return {STOPPED: json.dumps(dict(sorted(stops.items(), key=_order)))}


def _stops(texts: Mapping[str, str]) -> list[tuple[int, str]]:
    """Iterations and reason of every piece."""
    stops = sorted(_json(texts.get(STOPPED, "{}")).items(), key=_order)
    return [(int(one[0]), str(one[1])) for _, one in stops if isinstance(one, list)]


def _rows(texts: Mapping[str, str], path: str | Path) -> Iterator[tuple[str, str]]:
    job = _job(texts) or {"method": texts.get("method", "")}
    if "input" in job:
        yield "made from", str(job["input"])
    yield from _settings(texts, job)
    where = f" on {texts['host']}" if texts.get("host") else ""
    yield "written", f"{_written(path)}{where}, by physrecon {texts['physrecon']}"


def _settings(texts: Mapping[str, str], job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, value) of the method, of what was found in the data, and of how it ended."""
    for name in OF_JOB:
        if name == "filter" and job.get("method") != "fbp":
            continue
        if job.get(name) not in (None, False, "none", "auto", ""):
            yield name, "yes" if job[name] is True else str(job[name])
    for name in (STORED, CLIPPED):
        if name in texts:
            yield name, texts[name]
    for name, row in FOUND.items():
        if name in texts:
            yield row, texts[name]
        elif row in STATED and job.get(row, "auto") not in ("auto", STATED[row]):
            yield row, f"{job[row]} (given)"
    if prior := job.get("prior"):
        yield "prior", f"{prior.get('name')}, weight {prior.get('weight')}"
    if iterations := (job.get("stop") or {}).get("iterations"):
        yield "iterations", f"{iterations} at most"
    reasons = endings(texts)
    for reason in reasons[:3]:
        yield "ended", reason
    if reasons[3:]:
        yield "ended", f"… in {len(reasons) - 3} other ways"
    if check := _json(texts.get(CHECK, "{}")):
        fits = "fits: the residual is what noise alone would leave"
        yield "model", str(check.get("sentence") or fits)


def _written(path: str | Path) -> str:
    """The time of the file: bytes of a result are the same in every run, and state no date."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(Path(path).stat().st_mtime))


def _job(texts: Mapping[str, str]) -> dict[str, Any]:
    try:
        return tomllib.loads(texts.get("job", ""))
    except tomllib.TOMLDecodeError:
        return {}


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _order(item: tuple[str, Any]) -> tuple[int, str]:
    return (int(item[0]) if item[0].isdigit() else -1, item[0])
