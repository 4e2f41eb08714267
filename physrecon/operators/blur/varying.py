"""Blur by a point spread function that varies over the object.

    y[i] = Σ_v psf_v[i + c − v] x̃[v],    psf_v = Σ_p share_p(v) psf_p,    Σ_p share_p(v) = 1

The PSF belongs to the voxel v that sends the light, not to the pixel i that receives it: one PSF
spreads the light of a point, and none of it is lost where PSFs change (Denis, Thiébaut, Soulez,
Becker and Mourya, Int. J. Computer Vision 115 (2015) 253).  PSFs are given on a lattice of places.
Between these they are interpolated linearly (Nagy and O'Leary, SIAM J. Sci. Comput. 19 (1998) 1063;
Hirsch, Sra, Schölkopf and Harmeling, CVPR 2010, 607); beyond the outermost they are constant.  x̃ is
x continued beyond the frame, as in `Blur`; a voxel of the margin has the PSF of the voxel that it
copies.  With equal PSFs this is `Blur`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Shape
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.operators.batched import BatchedOperator
from physrecon.operators.blur.arguments import check_words, checked_center, checked_psf
from physrecon.operators.blur.blur import CLOSE, MIN_COLUMN_SUM
from physrecon.operators.blur.boundary import MODES, Extension
from physrecon.operators.blur.patch_engines import DirectBlur, Engine, FourierBlur, Patches
from physrecon.operators.checks import ROUNDINGS


class _SpatiallyVaryingBlur(LinearOperator):
    """A lattice of PSFs over the last two or three axes of the frame; other axes are alike."""

    psfs: np.ndarray
    center: tuple[int, ...]
    min_column_sum = MIN_COLUMN_SUM

    def _set(
        self, shape: Shape, places: list[np.ndarray], rank: int, boundary: str, method: str
    ) -> None:
        """places: of the PSFs along each axis of their lattice.  rank: number of axes of a PSF."""
        check_words(type(self).__name__, boundary, method)
        self.boundary, self.method = boundary, method
        self.nonnegative = bool((self.psfs >= 0).all())
        unknown, k = boundary == "unknown", self.psfs.shape[-rank:]
        before = [n - 1 - c for n, c in zip(k, self.center, strict=True)]
        lead, last = shape[:-rank], shape[-rank:]
        self.out_shape = shape
        self.in_shape = (*lead, *(n + unknown * (m - 1) for n, m in zip(last, k, strict=True)))
        inside = (slice(unknown * b, unknown * b + n) for b, n in zip(before, last, strict=True))
        self.frame = (*map(slice, lead), *inside)
        # Three axes from here on: a stack of images is a volume blurred plane by plane.
        planes = shape[-3] if len(places) == 3 else math.prod(shape[:-2])
        self._volume = (planes, *shape[-2:])
        self._center, self._before = _three(self.center, 0), _three(before, 0)
        self._extension: Extension | None = None
        self._engine: Any = None
        if 0 not in shape:
            psfs = self.psfs.reshape(*_three(map(len, places), 1), *_three(k, 1))
            self._engine = self._make_engine(psfs, _three(places, np.zeros(1)))

    def _make_engine(self, psfs: np.ndarray, places: tuple[Any, ...]) -> Engine:
        """Choose the engine.  For "reflect" and "periodic" it takes x̃, else x."""
        reach = tuple(n - 1 for n in psfs.shape[3:])
        if self.boundary in MODES and any(reach):
            self._extension = Extension(self._volume, self._before, self._center, self.boundary)
        position = [
            np.interp(self._seen(axis), place, np.arange(len(place)))
            for axis, place in enumerate(places)
        ]
        shift = self._center if self.boundary == "zero" else reach
        patches = Patches(psfs, tuple(position), self._volume, shift)
        direct, fourier = DirectBlur(patches), FourierBlur(patches)
        if self.method == "auto":
            return min(direct, fourier, key=lambda engine: engine.cost)
        return direct if self.method == "direct" else fourier

    def _seen(self, axis: int) -> np.ndarray:
        """The place in the frame of each element of x̃; a copy has that of its original."""
        n, before, after = self._volume[axis], self._before[axis], self._center[axis]
        if self.boundary in MODES:
            return np.pad(np.arange(n), (before, after), mode=MODES[self.boundary])  # type: ignore[call-overload]
        if self.boundary == "unknown":
            return np.arange(-before, n + after)
        return np.arange(n)

    def _with(self, psfs: np.ndarray, shape: Shape) -> Any:
        """The same blur with other PSFs, or for a frame of another shape."""
        kind: Any = type(self)
        same = {"center": self.center, "oversize": True, "method": self.method}
        return kind(psfs, shape, self.boundary, **same, **self._places)

    @property
    def _places(self) -> dict[str, Any]:
        """The keyword argument for the places of the PSFs."""
        raise NotImplementedError

    def work_bytes(self, itemsize: int = 4) -> int:
        """Bytes held besides x and y."""
        if self._engine is None:
            return 0
        extended = math.prod(self._extension.extended) if self._extension else 0
        return int(self._engine.work_bytes(itemsize) + itemsize * extended)

    def _forward(self, x: Any, out: Any) -> None:
        sources, targets = self._volumes(x, out)
        for source, target in zip(sources, targets, strict=True):
            extended = source if self._extension is None else self._extension.extend(source)
            self._engine.apply(extended, target, False)

    def _adjoint(self, y: Any, out: Any) -> None:
        targets, sources = self._volumes(out, y)
        for source, target in zip(sources, targets, strict=True):
            if self._extension is None:
                self._engine.apply(source, target, True)
                continue
            extended = self._extension.scratch(source)
            self._engine.apply(source, extended, True)
            self._extension.fold(extended, target)

    def _volumes(self, x: Any, y: Any) -> tuple[list[Any], list[Any]]:
        """x and y as lists of volumes."""
        of_y = y.reshape(-1, *self._volume)
        count = of_y.shape[0]
        of_x = x.reshape(count, -1, *x.shape[-2:])
        return [of_x[i] for i in range(count)], [of_y[i] for i in range(count)]

    def _norm_bounds(self, bounds: Callable[[LinearOperator], Any]) -> Any:
        """‖A‖² ≤ (largest row sum) · (largest column sum) of |A| (Schur 1911); ‖A 1‖ ≤ ‖A‖ ‖1‖."""
        positive = self if self.nonnegative else self._with(abs(self.psfs), self.out_shape)
        like = np.empty(0, self.dtype)
        rows, columns = positive.row_sums(like), positive.column_sums(like)
        axis = 0 if self.slices else None
        widen = 1 + ROUNDINGS * float(np.finfo(self.dtype).eps)
        upper = np.sqrt(vectors.peaks(rows, axis) * vectors.peaks(columns, axis)) * widen
        if not self.nonnegative:
            return 0.0, upper
        voxels = vectors.size(self.in_shape) / self.slice_count
        lower = np.sqrt(vectors.dots(rows, rows, axis) / voxels) / widen
        return (lower, upper) if (upper <= CLOSE * lower).all() else None


class PatchBlur(BatchedOperator, _SpatiallyVaryingBlur):
    """Blur by a grid of PSFs, interpolated linearly between their places.

    psfs: (gy, gx, ky, kx) for images, the last two axes of `shape`, or (gz, gy, gx, kz, ky, kx) for
    volumes, the last three; along axes before these every image is blurred alike.
    shape: of the frame.  boundary: "zero", "reflect", "periodic" or "unknown", as of `Blur`; with
    "unknown" x is larger than the frame, and `frame` is the index of the frame in x.
    centers: places of the PSFs in pixels of the frame, a rising sequence for each axis of the grid;
    None: the middles of equal cells, (p + 1/2) n / g − 1/2.
    center: index of the centre of every PSF, n // 2 unless given.  normalize: divide every PSF by
    its sum.  oversize: PSFs may be longer than the frame.
    method: "direct", "fft", or "auto", the faster of the two by measured costs.

    Holds, besides x and y (`work_bytes`): x̃ for "reflect" and "periodic"; with "fft" an OTF for
    each patch in y and x, of the size of two cells and a PSF, and the spectra of a few planes, or
    of all planes of x and y in a patch if kz > 1.  Raises ArgumentError.

    >>> psfs = np.array([[pr.psf.gaussian((3, 3), 0.4), pr.psf.gaussian((3, 3), 1.0)]])
    >>> A = pr.PatchBlur(psfs, (9, 17), centers=[[4], [2, 14]], method="fft")
    >>> x = np.zeros((9, 17))
    >>> x[4, 2] = x[4, 14] = 1
    >>> y = A @ x  # at its place each PSF is alone
    >>> np.allclose(y[3:6, 1:4], psfs[0, 0]), np.allclose(y[3:6, 13:16], psfs[0, 1])
    (True, True)
    """

    def __init__(
        self,
        psfs: Any,
        shape: Shape,
        boundary: str = "zero",
        *,
        centers: Sequence[Any] | None = None,
        center: Any = None,
        normalize: bool = False,
        oversize: bool = False,
        method: str = "auto",
    ) -> None:
        where, shape = "PatchBlur", tuple(shape)
        psfs = arrays.to_host(arrays.plain("PatchBlur.psfs", psfs))
        if psfs.ndim not in (4, 6):
            raise ArgumentError(
                f"{where}.psfs: expected (gy, gx, ky, kx) or (gz, gy, gx, kz, ky, kx), got an "
                f"array of {psfs.shape}"
            )
        rank = psfs.ndim // 2
        self.psfs = _checked_psfs(where, psfs, rank, shape, normalize, oversize)
        self.center = checked_center(where, psfs.shape[rank:], center)
        self.centers = _checked_centers(centers, psfs.shape[:rank], shape[-rank:])
        self._set(shape, list(self.centers), rank, boundary, method)
        self._set_batch_axes(range(len(shape) - rank))

    @property
    def _places(self) -> dict[str, Any]:
        return {"centers": self.centers}

    def _resized(self, shape: Shape) -> PatchBlur:
        margins = (m - n for m, n in zip(self.in_shape, self.out_shape, strict=True))
        return self._with(self.psfs, tuple(n - m for n, m in zip(shape, margins, strict=True)))


class DepthBlur(_SpatiallyVaryingBlur):
    """Blur of a volume by PSFs that change with depth, as with mismatched refractive indices
    (Gibson and Lanni, J. Opt. Soc. Am. A 8 (1991) 1601; Preza and Conchello, J. Opt. Soc. Am. A 21
    (2004) 1593).

    psfs: (d, ky, kx): every plane is blurred on its own; (d, kz, ky, kx): every plane of the object
    spreads its light over planes by its own PSF,
    y[z, r] = Σ_z' Σ_s psfs[z', z − z' + c_z, s] x̃[z', r + c − s].
    shape: of the frame, (…, nz, ny, nx).
    depths: plane of the frame for each PSF, rising numbers, whole or not, inside the frame or
    beyond; between two of them PSFs are interpolated.  None: one PSF for each plane.
    boundary, center, normalize, oversize, method: as of `PatchBlur`.

    Holds, besides x and y (`work_bytes`): x̃ for "reflect" and "periodic"; with "fft" an OTF of two
    axes for each plane of each PSF, d · kz padded planes, and the spectra of x and y.  Few PSFs at
    given depths take little memory, one for each plane takes much.  A volume with PSFs (d, ky, kx)
    has slices.  Raises ArgumentError.

    >>> sharp, wide = pr.psf.gaussian((5, 5), 0.4), pr.psf.gaussian((5, 5), 1.5)
    >>> A = pr.DepthBlur([sharp, wide], (3, 9, 9), depths=[0, 2], method="fft")
    >>> x = np.zeros((3, 9, 9))
    >>> x[:, 4, 4] = 1
    >>> np.allclose((A @ x)[1, 2:7, 2:7], (sharp + wide) / 2)  # half way between the two
    True
    """

    def __init__(
        self,
        psfs: Any,
        shape: Shape,
        boundary: str = "zero",
        *,
        depths: Any = None,
        center: Any = None,
        normalize: bool = False,
        oversize: bool = False,
        method: str = "auto",
    ) -> None:
        where, shape = "DepthBlur", tuple(shape)
        psfs = arrays.to_host(arrays.plain("DepthBlur.psfs", psfs))
        if psfs.ndim not in (3, 4) or vectors.is_product(shape) or len(shape) < 3:
            raise ArgumentError(
                f"{where}: expected psfs (d, ky, kx) or (d, kz, ky, kx) for a frame (…, nz, ny, "
                f"nx), got an array of {psfs.shape} for {shape}"
            )
        rank = psfs.ndim - 1
        self.psfs = _checked_psfs(where, psfs, rank, shape, normalize, oversize)
        self.center = checked_center(where, psfs.shape[1:], center)
        if depths is None and len(psfs) != shape[-3]:
            raise ArgumentError(
                f"{where}: expected a PSF for each of {shape[-3]} planes, got {len(psfs)}; say at "
                "which depths= they are known"
            )
        given = np.arange(len(psfs)) if depths is None else depths
        self.depths = _rising(f"{where}.depths", given, len(psfs))
        self._set(shape, [self.depths, np.zeros(1), np.zeros(1)], rank, boundary, method)
        if len(shape) == 3 and self._plane_by_plane:
            self.slices = (0, 0)

    @property
    def _plane_by_plane(self) -> bool:
        return self.psfs.ndim == 3 or self.psfs.shape[1] == 1

    @property
    def _places(self) -> dict[str, Any]:
        return {"depths": self.depths}


def _three(values: Any, one: Any) -> tuple[Any, ...]:
    """The values of three axes, with `one` for leading axes that are missing."""
    given = tuple(values)
    return (*(one,) * (3 - len(given)), *given)


def _checked_psfs(
    where: str, psfs: np.ndarray, rank: int, shape: Shape, normalize: bool, oversize: bool
) -> np.ndarray:
    """The PSFs in float64, each checked as by `Blur`."""
    if not psfs.size:
        raise ArgumentError(f"{where}.psfs: expected PSFs, got an empty array of {psfs.shape}")
    each = psfs.reshape(-1, *psfs.shape[-rank:])
    good = [checked_psf(where, psf, shape, normalize, oversize) for psf in each]
    return np.array(good).reshape(psfs.shape)


def _checked_centers(
    centers: Sequence[Any] | None, grid: tuple[int, ...], frame: Shape
) -> tuple[np.ndarray, ...]:
    if centers is None:
        both = zip(grid, frame, strict=True)
        return tuple((np.arange(g) + 0.5) * (n / g) - 0.5 for g, n in both)
    if len(centers) != len(grid):
        raise ArgumentError(
            f"PatchBlur.centers: expected a sequence for each of {len(grid)} axes, got "
            f"{len(centers)}"
        )
    both = zip(centers, grid, strict=True)
    return tuple(_rising("PatchBlur.centers", places, g) for places, g in both)


def _rising(where: str, places: Any, count: int) -> np.ndarray:
    given = np.asarray(places)
    fits = given.shape == (count,) and given.dtype.kind in "fiu" and np.isfinite(given).all()
    if not fits or (np.diff(given) <= 0).any():
        raise ArgumentError(
            f"{where}: expected {count} rising finite numbers, one for each PSF, got {places!r}"
        )
    return given.astype(np.float64)
