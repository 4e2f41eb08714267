"""A reconstruction job: all settings that determine the volume, as one frozen value.

It is read from argv or from TOML:

input = "scan.h5"
output = "volume.h5"
method = "cgls"

[stop]
iterations = 30
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from physrecon.catalog import (
    ANGLE_UNITS,
    DIRECT,
    FILTERS,
    LIKELIHOODS,
    MASKS,
    METHODS,
    PADDINGS,
    RINGS,
    VOLUME_FORMATS,
    ZINGERS,
    find,
)
from physrecon.jobs.model import Job
from physrecon.jobs.options import option
from physrecon.jobs.settings import GeometrySettings, PriorSettings
from physrecon.jobs.types import (
    Axes,
    Bin,
    Column,
    Crop,
    Floor,
    GreyValue,
    OutlierSize,
    PixelSize,
    Rows,
    Views,
    Whole,
    Width,
    one_of,
)
from physrecon.sizes import is_table, parse_span

# Fields of the job that are arguments of `open_scan`.
SUPPLIED = (
    *("line_integrals", "transmission", "allow_root"),
    *("angles", "flats", "darks", "data_mask", "pixel_size", "exclude_views"),
    *("axes", "crop", "bin", "geometry"),
)


class ScanJob(Job):
    """Reconstruct one scan into one volume."""

    NAMED: ClassVar[str] = "{}_rec.h5"
    DIRECT: ClassVar[dict[str, tuple[str, ...]]] = dict.fromkeys(DIRECT, ())
    OF_DIRECT: ClassVar[tuple[str, ...]] = ("filter", "padding")
    WITH_PRIOR: ClassVar[str] = "weighted"

    kind: Literal["reconstruct"] = option("reconstruct", "a scan into a volume", flag="")
    input: Path = option(
        ..., "HDF5 (Data Exchange, NXtomo, NeXus), a stack or a folder of images", flag="SCAN"
    )
    output: Path = option(
        ..., "the volume: a name that ends in .h5, .tif or .mrc (by default SCAN_rec.h5); FOLDER/ "
        "names it after SCAN",
        flag="-o/--output", metavar="OUT",
    )  # fmt: skip
    format: Annotated[str | None, one_of(VOLUME_FORMATS)] = option(
        None, "format of the volume, instead of that of its name; tiff with -o FOLDER is one file "
        "a slice", metavar="NAME",
    )  # fmt: skip
    method: Annotated[str, one_of(METHODS)] = option(
        METHODS[0],
        "direct or iterative; unless given, fdk for a fan, cone or helical beam, and with a "
        "prior one that suits it",
    )
    likelihood: Annotated[str, one_of(LIKELIHOODS)] = option(
        "least-squares",
        "what the data are; unless given, weighted with a prior and poisson with mlem, osem and rl",
    )
    outlier: OutlierSize = option(
        "auto", "line integral by which an outlier is off, for huber and student-t", metavar="SIZE"
    )
    prior: PriorSettings | None = None
    geometry: GeometrySettings | None = None
    filter: Annotated[str, one_of(FILTERS)] = option("ram-lak", "filter of fbp and fdk")
    padding: Annotated[str, one_of(PADDINGS)] = option(
        "zero", "what lies beside the detector in fbp and fdk; edge for an object wider than it"
    )
    center: Column = option(
        "auto", "detector column of the rotation axis, 0-based", metavar="COLUMN"
    )
    width: Width = option(
        "auto",
        "voxels of a slice along y and x; auto widens it beyond the detector for a cut-off object",
        metavar="N",
    )
    mask: Annotated[str, one_of(MASKS)] = option(
        "none", "circle sets voxels that not all views see to 0", alone="circle"
    )
    slices: Rows | None = option(
        None, "detector rows, of a cone, helical or tilted beam slices of the volume by a direct "
        "method, b not included (default: all)", metavar="a:b",
    )  # fmt: skip
    rings: Annotated[str, one_of(RINGS)] = option(
        "none", "remove ring artefacts, sort (Vo 2018) where no name is given", alone="sort"
    )
    angle_unit: Annotated[Literal["deg", "rad"] | None, one_of(ANGLE_UNITS)] = option(
        None, "unit of the angles, where the file states none", metavar="UNIT"
    )
    angles: str | None = option(
        None, "FIRST..LAST/COUNT with both ends, or a file (text, .npy, FILE.h5::/path), instead "
        "of the angles in SCAN", metavar="ANGLES",
    )  # fmt: skip
    flats: Path | None = option(None, "images of the open beam, instead of those in SCAN")
    darks: Path | None = option(None, "images without beam, instead of those in SCAN")
    data_mask: Path | None = option(
        None, "image of the detector, or one per view, not 0 where data are left out"
    )
    pixel_size: PixelSize | None = option(
        None, "size of the detector's pixels such as 0.65um, or of rows and columns: 0.65,0.7um",
        metavar="SIZE",
    )  # fmt: skip
    axes: Axes | None = option(
        None, "order of the axes of an array, theta:y:x unless its file states it; theta:x for a "
        "sinogram", metavar="AXES",
    )  # fmt: skip
    exclude_views: Views | None = option(
        None, "views to leave out such as 100:110,150, counted from 0, b not included",
        metavar="a:b,…",
    )  # fmt: skip
    crop: Crop | None = option(
        None, "part of the detector: columns a:b, or rows and columns a:b,c:d; --center and "
        "--slices count within it", metavar="a:b",
    )  # fmt: skip
    bin: Bin | None = option(
        None, "pixels taken together before all else, along rows and columns alike or "
        "ROWS,COLUMNS; --center and --slices count bins", metavar="N",
    )  # fmt: skip
    transmission: bool = option(False, "the data are transmissions already, 1 in air")
    line_integrals: bool = option(False, "the data are -log(transmission) already")
    air: Rows | None = option(
        None, "detector columns of air, which normalise each view; no flats needed", metavar="a:b"
    )
    floor: Floor = option(
        "auto", "least transmission; auto is half a count or the noise of the darks", metavar="T"
    )
    saturation: GreyValue | None = option(
        None, "largest grey value of the detector (default: by the data)", metavar="VALUE"
    )
    zingers: Annotated[str, one_of(ZINGERS)] = option(
        "auto", "fill bright pixels of single views", metavar="NAME"
    )
    allow_root: Path | None = option(
        None, "a further folder in which linked files may lie", metavar="DIR", execution=True
    )
    slab_rows: Whole | None = option(
        None, "detector rows of a slab (default: by memory)", metavar="N", execution=True
    )

    @classmethod
    def named(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("format") == "tiff":  # the folder of the slices
            return values
        suffix = {"mrc": ".mrc"}.get(str(values.get("format")), ".h5")
        found = super().named(values)
        output = found.get("output")
        if output is values.get("output") or suffix == ".h5":
            return found
        return found | {"output": str(Path(str(output)).with_suffix(suffix))}

    @classmethod
    def in_folder(cls, values: dict[str, Any], folder: Path) -> dict[str, Any]:
        placed = super().in_folder(values, folder)
        angles = values.get("angles")
        if isinstance(angles, str) and not parse_span(angles):
            placed["angles"] = str(folder / angles)
        table = values.get("geometry")
        if isinstance(table, dict) and is_table(shifts := table.get("shifts")):
            placed["geometry"] = table | {"shifts": str(folder / str(shifts))}
        return placed

    def fingerprinted(self) -> ScanJob:
        plain = super().fingerprinted()
        if self.geometry and is_table(shifts := self.geometry.shifts):
            table = {"shifts": str(Path(str(shifts)).resolve())}
            plain = plain.model_copy(update={"geometry": self.geometry.model_copy(update=table)})
        if self.angles is None or parse_span(self.angles):
            return plain
        return plain.model_copy(update={"angles": str(Path(self.angles).resolve())})

    @property
    def supplied(self) -> dict[str, Any]:
        """The arguments of `open_scan` that the job gives."""
        given = {name: getattr(self, name) for name in SUPPLIED}
        table = self.geometry and self.geometry.model_dump(exclude_none=True)
        return given | {"geometry": table}

    @classmethod
    def unfolded(cls, values: dict[str, Any]) -> dict[str, Any]:
        values = super().unfolded(values)
        kind = values.get("geometry")
        return values | {"geometry": {"kind": kind}} if isinstance(kind, str) else values

    def _details(self) -> list[str]:
        return [self.filter] if self.method in DIRECT else []

    def _check_kind(self) -> None:
        if self.transmission and self.line_integrals:
            raise ValueError(
                "transmission: expected one kind of data, got line_integrals too; drop one"
            )
        likelihood = find(LIKELIHOODS, self.likelihood) if self.method not in DIRECT else None
        if not likelihood:
            return
        kinds = {
            "line integrals": self.line_integrals,
            "transmissions": self.transmission,
            "removal of rings, which needs -log": self.rings != "none",
        }
        if likelihood.raw_counts and any(kinds.values()):
            got = next(kind for kind, given in kinds.items() if given)
            raise ValueError(
                f"likelihood: expected raw counts for {self.likelihood}, got {got}; choose "
                "--likelihood weighted"
            )
        rule = self.prior.rule if self.prior and self.prior.factor else ""
        needs_noise = self.stop.discrepancy == "auto" or rule == "discrepancy"
        if likelihood.counts and not likelihood.raw_counts and needs_noise:
            # line integrals are no counts: their noise is not that of the likelihood
            raise ValueError(
                "likelihood: expected a noise level that the data tell, got line integrals taken "
                f"as counts ({self.likelihood}); give a number for stop.discrepancy, or the "
                "rule held-out"
            )
