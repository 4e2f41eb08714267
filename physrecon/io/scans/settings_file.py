"""Settings that the program of a scanner writes as a text of INI beside the images of a scan."""

from __future__ import annotations

import re
from configparser import ConfigParser, Error
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from physrecon.errors import DataError
from physrecon.io.content import FOLDER, Content, content_of
from physrecon.io.images.series import ImageSeries, members, series_in
from physrecon.io.scans.frames import Frames
from physrecon.io.scans.reading import ReadOptions

MOST_TEXT = 16 << 20  # bytes of a file of settings
SAME = 0.01  # relative; pixel sizes that differ by more contradict each other


@dataclass(frozen=True)
class Settings:
    """The settings in some sections of a file, by their names in lower case."""

    path: Path
    values: dict[str, str]

    def text(self, name: str) -> str:
        """A setting as written; "" where there is none."""
        return self.values.get(name.lower(), "").strip()

    def number(self, *names: str) -> float | None:
        """The first of the settings that is stated.  Raises DataError unless it is a number."""
        for name in names:
            if stated := self.text(name):
                try:
                    value = float(stated)
                except ValueError:
                    value = np.nan
                if not np.isfinite(value):
                    raise DataError(
                        f"{self.path}: expected a number as {name}, got {stated!r}; correct it."
                    )
                return value
        return None

    def required(self, *names: str) -> float:
        """The first of the settings that is stated.  Raises DataError if there is none."""
        value = self.number(*names)
        if value is None:
            raise DataError(f"{self.path}: expected {names[0]}, got no such setting; add it.")
        return value

    def wholes(self, *names: str) -> tuple[int, ...]:
        """Whole numbers that must be stated."""
        return tuple(int(self.required(name)) for name in names)

    def length(self, *names: str) -> float:
        """The first of the settings that is stated.  Raises DataError unless it is > 0."""
        value = self.required(*names)
        if value <= 0:
            raise DataError(f"{self.path}: expected a length as {names[0]}, got {value:g}.")
        return value

    def not_zero(self, *names: str) -> list[str]:
        """ "NAME VALUE" of those that are stated and not 0."""
        return [f"{n} {self.text(n)}" for n in names if self.text(n) and _not_zero(self.text(n))]


def settings_of(
    path: Path,
    content: Content,
    options: ReadOptions,
    kind: str,
    suffix: str,
    sections: tuple[str, ...],
) -> Settings | None:
    """The settings in a file of a kind of content, or in the only one of a folder.

    None for others, and if the options name a group.
    suffix: of such files, which tells which files of a folder are opened.
    sections: those that are read; None for a file without the last one of them.
    Raises DataError for a damaged file, and for a folder of several."""
    if options.group is not None:
        return None
    if content.kind == FOLDER:
        named = (each for each in members(path) if each.suffix.lower() == suffix and each.is_file())
        inside = [
            settings_of(each, content_of(each), options, kind, suffix, sections) for each in named
        ]
        found = [each for each in inside if each is not None]
        if len(found) > 1:
            have = ", ".join(each.path.name for each in found[:4])
            raise DataError(
                f"{path}: expected the settings of one scan, got {len(found)}: {have}; name one as "
                f"{found[0].path}."
            )
        return found[0] if found else None
    return _parsed(path, sections) if content.kind == kind else None


def _parsed(path: Path, sections: tuple[str, ...]) -> Settings | None:
    if path.stat().st_size > MOST_TEXT:
        return None
    stored = path.read_bytes()
    try:
        written = stored.decode("utf-8-sig")
    except UnicodeDecodeError:
        written = stored.decode("latin-1")
    parser = ConfigParser(
        delimiters=("=",), comment_prefixes=(";", "#"), strict=False, allow_no_value=True,
        interpolation=None,
    )  # fmt: skip
    try:
        parser.read_string(written)
    except Error as error:
        raise DataError(
            f"{path}: expected lines NAME=VALUE in sections, got {error}; correct it."
        ) from error
    if not parser.has_section(sections[-1]):
        return None
    merged: dict[str, str] = {}
    for section in filter(parser.has_section, sections):
        merged |= {name: value or "" for name, value in parser.items(section)}
    return Settings(path, merged)


def projections_of(
    settings: Settings, folder: Path, prefix: str, shape: tuple[int, ...]
) -> tuple[Frames, ImageSeries]:
    """The images whose names are a prefix and a number, or the only series of as many images.

    shape: (views, rows, columns) as stated.  Raises DataError unless there are so many."""
    known = series_in(folder)
    pattern = re.compile(re.escape(prefix) + r"\d+", re.IGNORECASE)
    named = {n: [f for f in files if pattern.fullmatch(f.stem)] for n, files in known.items()}
    named = {name: files for name, files in named.items() if prefix and files} or known
    fitting = [files for files in named.values() if len(files) == shape[0]]
    if len(fitting) != 1:
        have = ", ".join(f"{name} ({len(files)})" for name, files in [*named.items()][:8])
        raise DataError(
            f"{settings.path.name}: expected one series of {shape[0]} images in {folder}, as it "
            f"states, got {have or 'none'}; add those that lack, or name the series as "
            f"'{folder}::{next(iter(named), 'view_#.tif')}' with --angles."
        )
    series = ImageSeries(fitting[0])
    frames = Frames(series, np.arange(series.shape[0]), where=str(folder))
    if frames.shape[1:] != shape[1:]:
        raise DataError(
            f"{settings.path.name}: expected images of {shape[1]} rows × {shape[2]} columns, as it "
            f"states, got {frames.shape[1]} × {frames.shape[2]} in {fitting[0][0].name}; state the "
            "size and the pixels of these images."
        )
    return frames, series


def contradiction(detector: float, at_object: float, magnification: float) -> bool:
    """Whether two sizes of a pixel, on the detector and at the object, are not the same one."""
    return abs(at_object * magnification / detector - 1) > SAME


def _not_zero(stated: str) -> bool:
    try:
        return float(stated) != 0
    except ValueError:
        return True
