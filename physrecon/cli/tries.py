"""`physrecon try`: a contact sheet of one slice under several settings, and a table of figures."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from physrecon.cli.view import check_picture
from physrecon.io.atomic_file import replacing
from physrecon.jobs.scan_job import ScanJob
from physrecon.jobs.toml import merge
from physrecon.jobs.variations import as_values, combinations, variations
from physrecon.pictures.contact_sheet import draw_sheet
from physrecon.pipeline.messages import Messages
from physrecon.pipeline.scan.tries import Tries, try_settings


def draw_tries(
    scan: str, texts: Sequence[str], output: str | None, values: dict[str, Any], messages: Messages
) -> None:
    """Write the sheet and, beside it, its figures as CSV.

    texts: KEY=VALUES, as for `variations`.  output: a PNG; by default SCAN_try.png in the current
    folder.  values: of the job.  Raises ArgumentError, OutputError, and the errors of a job."""
    found = variations(ScanJob, texts)
    picture = Path(output or f"{Path(scan.partition('::')[0]).stem}_try.png")
    table, overwrite = picture.with_suffix(".csv"), bool(values.get("overwrite"))
    check_picture(picture, Path(scan), overwrite)
    check_picture(table, Path(scan), overwrite, ".csv")

    def job(chosen: dict[str, Any]) -> ScanJob:
        given = merge(values, {"input": scan, "output": "-"})
        return ScanJob.build(merge(given, as_values(chosen)), "try", flags=True)

    choices = list(combinations(found))
    for chosen in choices:  # a wrong value is refused before anything is computed
        job(chosen)
    tried = try_settings(choices, job, messages)
    columns = len(next(reversed(found.values()))) if len(found) > 1 else None
    draw_sheet(
        picture,
        [one.slice for one in tried.tries],
        [label(one.chosen) for one in tried.tries],
        tried.pitch,
        tried.unit,
        f"{Path(scan).name}   row {tried.row}   {', '.join(found)}",
        columns,
    )
    _write_table(table, tried)
    seconds = sum(one.seconds for one in tried.tries)
    messages.result(f"{table}: figures of every slice")
    messages.result(f"{picture}: {len(tried.tries)} slices of row {tried.row} in {seconds:.1f} s")


def label(chosen: Mapping[str, Any]) -> str:
    """`center = 281.5, rings = sort`, with the last part of every key."""
    return ", ".join(f"{key.rpartition('.')[2]} = {value}" for key, value in chosen.items())


def _write_table(path: Path, tried: Tries) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        first = tried.tries[0]
        rows.writerow([*first.chosen, *first.figures(), "seconds", "stopped"])
        for one in tried.tries:
            figures = [f"{value:.6g}" for value in one.figures().values()]
            rows.writerow([*one.chosen.values(), *figures, f"{one.seconds:.3f}", one.reason])
