"""The convergence of an iterative run: f(x) and the change of x after every iteration.

FILE.csv has a row for each iteration of each piece.  It is written after every piece and when the
run is stopped, and a run that goes on continues it.  FILE.png is its picture."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from physrecon.io.atomic_file import replacing, write_errors
from physrecon.jobs.model import Job
from physrecon.solvers.result import Record

COLUMNS = ("iteration", "f", "change", "active", "seconds")


class History:
    """The rows of a job, by piece.  piece: the name of a piece, such as "slab"."""

    def __init__(self, job: Job, piece: str, count: int) -> None:
        files = job.history_files
        self.table, self.picture = files[0] if files else None, files[1] if files[1:] else None
        self._job, self._piece = job, piece
        self._rows: dict[int, list[Record]] = {}
        if self.table is not None:
            self._rows = {n: rows for n, rows in _read(self.table).items() if n < count}

    def add(self, piece: int, records: Sequence[Record]) -> None:
        """Add iterations of a piece, after those before the first of them, and write the files.

        Raises WriteError."""
        if self.table is None or not records:
            return
        before = [row for row in self._rows.get(piece, []) if row.iteration < records[0].iteration]
        self._rows[piece] = [*before, *records]
        with write_errors(self.table), replacing(self.table) as temporary:
            self._write(temporary)

    def draw(self) -> None:
        """Draw the picture, if it is wanted.  Raises OutputError, WriteError."""
        if self.picture is None or not self._rows:
            return
        from physrecon.pictures.convergence import draw_history

        columns = {
            f"{self._piece} {n}": np.array([row[:3] for row in rows]).T
            for n, rows in sorted(self._rows.items())
        }
        title = f"{self._job.output.name}: {self._job.describe_method()}"
        draw_history(columns, title, self.picture)

    def _write(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow((self._piece, *COLUMNS))
            for number, records in sorted(self._rows.items()):
                for one in records:
                    values = (f"{v:.9g}" if math.isfinite(v) else "" for v in one[1:3])
                    rows.writerow(
                        (number, one.iteration, *values, one.active, f"{one.seconds:.3f}")
                    )


def _read(path: Path) -> dict[int, list[Record]]:
    """The rows of a table of ours, by piece; {} for another file, or none."""
    found: dict[int, list[Record]] = {}
    with suppress(OSError, ValueError), path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        if tuple(next(rows, ())[1:]) != COLUMNS:
            return {}
        for number, iteration, value, change, active, seconds in rows:
            f, rate = (float(text or "nan") for text in (value, change))
            row = Record(int(iteration), f, rate, int(active), float(seconds))
            found.setdefault(int(number), []).append(row)
    return found
