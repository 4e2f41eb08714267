"""The scan whose source and detector stand anywhere in every view."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import ArrayLike

from physrecon.errors import ArgumentError, brief
from physrecon.foreign import floats
from physrecon.geometry.grid import Grid, checked_numbers, checked_shape, run_of
from physrecon.geometry.rays import Rays
from physrecon.geometry.turning_scan import Value

FLATTEST = 1e-9  # sine of an angle between rays and detector below which there is no picture


@dataclass(frozen=True, eq=False, repr=False)
class VectorBeam(Value):
    """Source and detector stated by vectors (z, y, x) for every view.

    Every other scan can be written so: `VectorBeam.of(scan)`.

    Args:
        source: (views, 3) places of the source, for rays from a point.
        direction: (views, 3) directions of the rays, for parallel ones.  State one of the two.
        detector_center: (views, 3) places of the detector at the column `center` and, without
            `row_offset`, the middle row.
        u: (views, 3) steps from column to column.
        v: (views, 3) steps from row to row.
        detector_shape: (rows, columns).
        center: column at `detector_center`; by default the middle, (columns - 1)/2.
        row_offset: rows from `detector_center` to the middle of the detector; by default 0.
        bend: angle between columns in radians, on a cylinder about the source; 0 is flat.
    Raises:
        ArgumentError: for vectors that are not finite or not (views, 3), for both or none of
            source and direction, and for rays along the detector.

    Example:
        >>> scan = pr.VectorBeam(source=[[0, -50, 0]], detector_center=[[0, 50, 0]],
        ...                      u=[[0, 0, 0.2]], v=[[0.2, 0, 0]], detector_shape=(4, 5))
        >>> scan.shape, scan.default_grid().pitch
        ((1, 4, 5), (0.1, 0.1, 0.1))
        >>> eval(repr(scan), {"VectorBeam": pr.VectorBeam}) == scan
        True
    """

    separable: ClassVar[bool] = False

    source: ArrayLike | None = field(default=None, kw_only=True)
    direction: ArrayLike | None = field(default=None, kw_only=True)
    detector_center: ArrayLike = field(kw_only=True)
    u: ArrayLike = field(kw_only=True)
    v: ArrayLike = field(kw_only=True)
    detector_shape: tuple[int, int] = field(kw_only=True)
    center: float | None = field(default=None, kw_only=True)
    row_offset: float = field(default=0.0, kw_only=True)
    bend: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        if (self.source is None) == (self.direction is None):
            raise ArgumentError(
                "VectorBeam.source: expected either source or direction, got "
                f"{'none' if self.source is None else 'both'}; state one of them"
            )
        views = len(np.atleast_1d(floats("VectorBeam.u", self.u)))
        held = {name: getattr(self, name) for name in self._vectors()}
        made = f"finite (z, y, x) for each of {views} views"
        for name, value in held.items():
            vectors = checked_numbers(f"VectorBeam.{name}", value, (views, 3), made)
            object.__setattr__(self, name, vectors)
        shape = checked_shape("VectorBeam.detector_shape", self.detector_shape, "rows, columns")
        middle = (shape[1] - 1) / 2 if self.center is None else self.center
        center = checked_numbers("VectorBeam.center", middle, made="a finite column")
        object.__setattr__(self, "detector_shape", shape)
        object.__setattr__(self, "center", float(center))
        for name in ("row_offset", "bend"):
            number = checked_numbers(f"VectorBeam.{name}", getattr(self, name))
            object.__setattr__(self, name, float(number))
        if self.direction is not None and self.bend:
            raise ArgumentError(
                f"VectorBeam.bend: expected 0 for parallel rays, got {self.bend:g}; leave it out"
            )
        self._check_rays()

    def _check_rays(self) -> None:
        axis, u, v = self.rays().axis, np.asarray(self.u), np.asarray(self.v)
        lengths = np.prod([np.linalg.norm(w, axis=1) for w in (axis, u, v)], axis=0)
        spanned = np.abs(np.einsum("vi,vi->v", axis, np.cross(u, v)))
        bad = ~(spanned > FLATTEST * lengths)
        if bad.any():
            raise ArgumentError(
                "VectorBeam.u, v: expected a plane that the rays cross, got rays along the "
                f"detector or vectors of length 0 in view {int(np.flatnonzero(bad)[0])}"
            )

    @classmethod
    def of(cls, scan: Any) -> Self:
        """The same rays as vectors.  Raises ArgumentError for what is no scan, or many fans."""
        rays = getattr(scan, "rays", None)
        if not callable(rays):
            raise ArgumentError(f"VectorBeam.of: expected a scan, got {brief(scan)}")
        r, (rows, columns) = rays(), scan.shape[1:]
        if scan.separable and not r.parallel and rows > 1:
            raise ArgumentError(
                f"VectorBeam.of: expected one source a view, got {rows} of a fan beam; "
                "take a row by scan.part(slice(r, r + 1))"
            )
        return cls._from_rays(r, (rows, columns))

    @classmethod
    def _from_rays(cls, r: Rays, shape: tuple[int, int]) -> Self:
        start: Any = {"direction" if r.parallel else "source": r.source}
        return cls(
            **start, detector_center=r.centre, u=r.u, v=r.v, detector_shape=shape,
            center=r.column, bend=r.bend, row_offset=(shape[0] - 1) / 2 - r.row,
        )  # fmt: skip

    def moved(self, rotation: ArrayLike, shift: ArrayLike = (0.0, 0.0, 0.0)) -> Self:
        """The scan after the motion p → rotation · p + shift of source and detector, (z, y, x).

        It sees a volume as this scan sees the volume after the inverse motion.  Raises
        ArgumentError for what is no rotation."""
        return self._from_rays(self.rays().moved(rotation, shift), self.detector_shape)

    def _vectors(self) -> tuple[str, ...]:
        first = "source" if self.direction is None else "direction"
        return (first, "detector_center", "u", "v")

    def _summary(self) -> str:
        rows, columns = self.detector_shape
        kind = "parallel rays" if self.source is None else "rays from a point"
        bent = f", bent by {self.bend:g} rad a column" if self.bend else ""
        return (
            f"VectorBeam: {len(self)} views of {kind}\n  detector: {rows} rows × {columns} "
            f"columns{bent}\n  detector_center: column {self.center:g}, row "
            f"{(rows - 1) / 2 - self.row_offset:g}"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the projections: (views, rows, columns)."""
        return (len(self), *self.detector_shape)

    def __len__(self) -> int:
        return len(np.asarray(self.u))

    def __getitem__(self, views: Any) -> Self:
        """The scan with these views only: an int, a slice, a mask or an array of indices."""
        chosen = np.atleast_1d(np.arange(len(self))[views])
        return replace(self, **{n: np.asarray(getattr(self, n))[chosen] for n in self._vectors()})

    def default_grid(self, width: int | None = None) -> Grid:
        """Voxels of a pixel / magnification at the origin, about the z axis, as high as the rows.

        A mean over the views.  width: voxels along y and x; None is the number of columns."""
        rows, columns = self.detector_shape
        if not len(self):
            return Grid((rows, *(columns if width is None else width,) * 2))
        rays = self.rays()
        away = rays.axis / np.linalg.norm(rays.axis, axis=1, keepdims=True)
        ahead = np.einsum("vi,vi->v", away, -np.asarray(rays.centre))  # of the detector
        # From the source, of what lies on the plane across the central ray through the origin:
        near = 1 + ahead / np.linalg.norm(rays.axis, axis=1) if not rays.parallel else 0 * ahead + 1
        near = np.abs(near)
        middle = rays.points([(rows - 1) / 2], [rays.column])[:, 0, 0]
        z = middle[:, 0] + ahead * rays.axis[:, 0]
        if not rays.parallel:
            z = rays.source[:, 0] + near * (middle - rays.source)[:, 0]
        row, column = (
            float(np.mean(near * np.linalg.norm(step, axis=1))) for step in (rays.v, rays.u)
        )
        low, high = float(z.min()), float(z.max())
        slices = rows + int(np.ceil((high - low) / row - 1e-6))
        across = columns if width is None else width
        return Grid((slices, across, across), (row, column, column), ((low + high) / 2, 0.0, 0.0))

    def part(self, rows: slice) -> Self:
        """Adjacent rows, at their own places.  Raises ArgumentError for a step."""
        count, columns = self.detector_shape
        start, stop = run_of("VectorBeam.part", rows, count)
        offset = self.row_offset + (start + stop - count) / 2
        return replace(self, detector_shape=(stop - start, columns), row_offset=offset)

    def rows_seen(self, grid: Grid, slices: slice) -> slice:
        """Detector rows that hold all rays through these slices of a grid, in any view."""
        return self.rays().rows_seen(grid, slices, self.detector_shape[0])

    def with_center(self, center: float) -> Self:
        return replace(self, center=center)

    def rays(self) -> Rays:
        """The rays in world units."""
        parallel = self.source is None
        source = np.asarray(self.direction if parallel else self.source)
        if parallel:
            source = source / np.linalg.norm(source, axis=1, keepdims=True)
        return Rays(
            source, np.asarray(self.detector_center), np.asarray(self.u), np.asarray(self.v),
            cast(float, self.center), (self.detector_shape[0] - 1) / 2 - self.row_offset,
            self.bend, parallel,
        )  # fmt: skip
