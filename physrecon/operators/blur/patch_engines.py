"""Two engines for blur by PSFs on a lattice of patches; `kernels.blur` has the formula.

Direct: every pixel gathers the voxels whose PSFs reach it.  Fourier: for every patch in y and x,
x times the hat function of the patch is transformed in y and x, plane by plane; OTFs, interpolated
in depth, mix the planes; the inverse transform is added to the frame (Nagy and O'Leary, SIAM J.
Sci. Comput. 19 (1998) 1063).  Both take x as zero outside its array and have exact transposes."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays.transforms import fast_lengths, library

CHUNK_BYTES = 1 << 22  # bytes of planes that are transformed at a time
BUFFERS = 4  # work arrays of that size: planes, spectra, mixed spectra, inverse transforms

# Nanoseconds, measured on one core for PSFs of 5 to 31 elements along an axis.
PAIR = 70.0  # per pair of a row of voxels and a row of pixels
PRODUCT = 0.045  # per product of a weight and a voxel
SETUP_COST_PER_ELEMENT = 6  # cost of preparing one row, in units of PRODUCT, per element
TRANSFORM = 0.25  # per n log₂ n
MIX = 0.5  # per OTF and frequency
WINDOW = 8e4  # overhead of the calls for one window


@dataclass(frozen=True)
class Patches:
    """psfs (gz, gy, gx, kz, ky, kx); position: of each voxel of x, in patches, along each axis;
    out_shape: of y; shift: as in `kernels.blur`."""

    psfs: np.ndarray
    position: tuple[np.ndarray, ...]
    out_shape: tuple[int, ...]
    shift: tuple[int, ...]

    @property
    def in_shape(self) -> tuple[int, ...]:
        return tuple(map(len, self.position))

    def cells(self, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """The patch before each voxel, and the voxel's fraction of the way to the next patch."""
        at = self.position[axis]
        cell = np.minimum(at.astype(np.int64), max(self.psfs.shape[axis] - 2, 0))
        return cell, at - cell

    def hat(self, patch: int, axis: int) -> np.ndarray:
        """The weight of a patch in each voxel along an axis."""
        return np.maximum(1 - abs(self.position[axis] - patch), 0)

    def span(self, patch: int, axis: int) -> tuple[int, int]:
        """(first, last + 1) voxel along an axis in which a patch has weight."""
        inside = np.flatnonzero(self.hat(patch, axis))
        return (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, 0)


class Engine:
    """y ← A x or x ← Aᵀ y, with tables cached by dtype and machine."""

    def __init__(self, patches: Patches) -> None:
        self.patches = patches
        self._made: dict[Any, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": {}}

    def _tables(self, like: Any) -> Any:
        device = "cuda" if arrays.is_device(like) else "cpu"
        kind = (np.dtype(like.dtype), device)
        if kind not in self._made:
            self._made[kind] = self._make(*kind)
        return self._made[kind]

    def _make(self, dtype: np.dtype[Any], device: str) -> Any:
        raise NotImplementedError

    def apply(self, source: Any, target: Any, back: bool) -> None:
        """target ← A source, or Aᵀ source."""
        raise NotImplementedError

    def work_bytes(self, itemsize: int = 4) -> int:
        """Bytes held besides x and y."""
        raise NotImplementedError

    @property
    def cost(self) -> float:
        """Estimated time of A or of Aᵀ [ns of one core]."""
        raise NotImplementedError


class DirectBlur(Engine):
    """Holds the PSFs."""

    def _make(self, dtype: np.dtype[Any], device: str) -> tuple[Any, ...]:
        p = self.patches
        cells = np.zeros((3, max(p.in_shape)), np.int64)
        fractions = np.zeros(cells.shape, dtype)
        for axis, n in enumerate(p.in_shape):
            cells[axis, :n], fractions[axis, :n] = p.cells(axis)
        spans = np.array([p.span(column, 2) for column in range(p.psfs.shape[2])])
        tables = (np.ascontiguousarray(p.psfs, dtype), cells, fractions, spans, np.array(p.shift))
        return tuple(arrays.to_device(table, device) for table in tables)

    def apply(self, source: Any, target: Any, back: bool) -> None:
        from physrecon.kernels import blur

        blur.blur(*self._tables(target), back, source, target)

    def work_bytes(self, itemsize: int = 4) -> int:
        return itemsize * self.patches.psfs.size

    @property
    def cost(self) -> float:
        p = self.patches
        columns, kx = p.psfs.shape[2], p.psfs.shape[5]
        pairs = math.prod(p.out_shape[:2]) * math.prod(p.psfs.shape[3:5])
        across = p.out_shape[2] * (2 if columns > 1 else 1)
        return pairs * (columns * PAIR + across * (kx + SETUP_COST_PER_ELEMENT) * PRODUCT)


@dataclass(frozen=True)
class Window:
    """The region of a patch in y and x: its voxels `of_x` (two slices), the pixels `of_y` that they
    reach, the `lengths` of the transforms and the `shift` of the PSF in them."""

    patch: tuple[int, ...]
    of_x: tuple[slice, ...]
    of_y: tuple[slice, ...]
    lengths: tuple[int, ...]
    shift: tuple[int, ...]

    @property
    def spectrum(self) -> tuple[int, int]:
        return self.lengths[0], self.lengths[1] // 2 + 1


class FourierBlur(Engine):
    """Holds the OTFs of all patches and the spectra of a few planes, or of all planes if kz > 1."""

    def __init__(self, patches: Patches) -> None:
        super().__init__(patches)
        lattice = itertools.product(*(range(n) for n in patches.psfs.shape[1:3]))
        windows = (self._window(patch) for patch in lattice)
        self._windows = [w for w in windows if w is not None]

    def _window(self, patch: tuple[int, ...]) -> Window | None:
        p, of_x, of_y, least, shift = self.patches, [], [], [], []
        for axis, which in zip((1, 2), patch, strict=True):
            first, last = p.span(which, axis)
            k, s = p.psfs.shape[3 + axis], p.shift[axis]
            begin, end = max(0, first - s), min(p.out_shape[axis], last + k - 1 - s)
            if begin >= end:
                return None
            here = s + begin - first
            of_x.append(slice(first, last))
            of_y.append(slice(begin, end))
            shift.append(here)
            least.append(max(last - first, k, last - first + k - 1 - here, here + end - begin))
        return Window(patch, tuple(of_x), tuple(of_y), fast_lengths(least), tuple(shift))

    def _make(self, dtype: np.dtype[Any], device: str) -> tuple[Any, ...]:
        p = self.patches
        cells, fractions = p.cells(0)
        depths = (
            arrays.to_device(cells, device),
            arrays.to_device(fractions.astype(dtype), device),
        )
        hats, otfs = [], []
        for w in self._windows:
            y, x = p.hat(w.patch[0], 1)[w.of_x[0]], p.hat(w.patch[1], 2)[w.of_x[1]]
            hats.append(arrays.to_device(np.outer(y, x).astype(dtype), device))
            circle = np.zeros((*p.psfs.shape[:1], p.psfs.shape[3], *w.lengths), dtype)
            places = zip(p.psfs.shape[4:], w.shift, w.lengths, strict=True)
            rows, columns = ((np.arange(k) - s) % n for k, s, n in places)
            circle[..., rows[:, None], columns] = p.psfs[:, w.patch[0], w.patch[1]]
            otfs.append(_transform(arrays.to_device(circle, device)))
        return depths, hats, otfs

    def apply(self, source: Any, target: Any, back: bool) -> None:
        target[...] = 0
        depths, hats, otfs = self._tables(target)
        for w, hat, otf in zip(self._windows, hats, otfs, strict=True):
            of_source, of_target = (w.of_y, w.of_x) if back else (w.of_x, w.of_y)
            here, there = source[(..., *of_source)], target[(..., *of_target)]
            alone = self.patches.psfs.shape[3] == 1
            for part in self._chunks(w, here) if alone else [slice(None)]:
                tables = [table[part] for table in depths]
                self._through(w, hat, otf, tables, here[part], there[part], back)

    def _chunks(self, w: Window, planes: Any) -> list[slice]:
        """Slices of planes, each within CHUNK_BYTES."""
        step = max(1, CHUNK_BYTES // (planes.dtype.itemsize * math.prod(w.lengths)))
        return [slice(i, i + step) for i in range(0, len(planes), step)]

    def _through(
        self, w: Window, hat: Any, otf: Any, depths: Any, here: Any, there: Any, back: bool
    ) -> None:
        """Add the blur of planes of the source to planes of the target."""
        from physrecon.kernels import blur

        spectra = arrays.like(otf, (len(here), *w.spectrum))
        for part in self._chunks(w, here):
            spectra[part] = _transform(here[part] if back else hat * here[part], w.lengths)
        mixed = arrays.like(otf, (len(there), *w.spectrum))
        blur.mix(otf, *depths, self.patches.shift[0], back, spectra, mixed)
        inside = tuple(slice(n) for n in there.shape[1:])
        for part in self._chunks(w, there):
            image = _transform_back(mixed[part], w.lengths)[(..., *inside)]
            there[part] += hat * image if back else image

    def work_bytes(self, itemsize: int = 4) -> int:
        p = self.patches
        frequencies = [math.prod(w.spectrum) for w in self._windows]
        otfs = p.psfs.shape[0] * p.psfs.shape[3] * sum(frequencies)
        planes = p.in_shape[0] + p.out_shape[0] if p.psfs.shape[3] > 1 else 2
        spectra = 2 * itemsize * planes * max(frequencies, default=0)
        return 2 * itemsize * otfs + spectra + BUFFERS * CHUNK_BYTES

    @property
    def cost(self) -> float:
        p = self.patches
        sizes = [math.prod(w.lengths) for w in self._windows]
        planes, blended = p.in_shape[0] + p.out_shape[0], min(p.psfs.shape[0], 2)
        transforms = planes * sum(n * math.log2(n) for n in sizes)
        mixing = p.in_shape[0] * p.psfs.shape[3] * blended * sum(sizes) / 2
        return transforms * TRANSFORM + mixing * MIX + len(sizes) * WINDOW


def _transform(planes: Any, lengths: tuple[int, ...] | None = None) -> Any:
    fft, threads = library(planes)
    return fft.rfft2(planes, lengths, **threads)


def _transform_back(spectra: Any, lengths: tuple[int, ...]) -> Any:
    fft, threads = library(spectra)
    return fft.irfft2(spectra, lengths, overwrite_x=True, **threads)
