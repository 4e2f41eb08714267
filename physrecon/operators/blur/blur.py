"""Convolution with a point spread function: blur by a lens, a microscope or motion.

    y[i] = Σ_j psf[j] x̃[i + c − j],   c the centre of the PSF

x̃ is x continued beyond the frame:

    zero       x̃ = 0
    reflect    d c b a | a b c d | d c b a
    periodic   a b c d | a b c d | a b c d
    unknown    x extends beyond the frame by the reach of the PSF, and y is the part of its blur in
               the frame: the object is not cut off at the edges, and its parts beyond them explain
               the light that comes from there (Bertero and Boccacci, A&A 437 (2005) 369)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Shape
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator
from physrecon.operators.batched import BatchedOperator
from physrecon.operators.blur.arguments import check_words, checked_center, checked_psf
from physrecon.operators.blur.boundary import Extension
from physrecon.operators.blur.direct import direct_engine
from physrecon.operators.blur.fourier import FourierConvolution, PeriodicConvolution
from physrecon.operators.blur.separable_terms import rounding
from physrecon.operators.blur.tiled import TiledConvolution

# Fraction of a voxel's light that reaches the frame.  Below it the light is lost in the rounding of
# transforms, and the voxel's value would grow without limit.
MIN_COLUMN_SUM = 1e-3
CLOSE = 1.05  # ratio of norm bounds up to which no iteration is needed


class Blur(BatchedOperator, LinearOperator):
    """Convolution with a point-spread function: y = psf ∗ x, of the shape of the frame.

    With boundary "unknown" x has the shape of the frame plus that of the PSF minus 1, and `frame`
    is the index of the frame in x; voxels with less than a thousandth of their light in the frame
    count as unseen (`min_column_sum`).

    Holds, besides x and y, about two arrays of the padded frame (`work_bytes`), and one of the
    extended frame for "reflect", and for "periodic" in tiles or direct.

    Args:
        psf: array of one to three axes, the last ones of the image; along others every image is
            blurred alike.  For a measured one see `psf.without_background`.
        shape: of the frame.
        boundary: "zero" (default), "unknown", "reflect" or "periodic": what lies beyond the frame.
        center: index of the PSF's centre, one number per axis; by default n // 2.
        normalize: divide the PSF by its sum, or by the number given, the sum of a PSF of which
            this is a part; by default not.
        oversize: accept a PSF longer than the frame, which is likely the wrong one; by default not.
        method: "fft"; "direct", sums in space, over separable terms if few suffice; or "auto"
            (default), the fastest by measured costs.
        accuracy: bound of ‖psf − terms‖₁ / ‖psf‖₁; by default the rounding of the PSF's values.
        memory: bytes for work arrays; transforms that would take more are cut into tiles.  By
            default no limit.
    Raises:
        ArgumentError: for a PSF that does not fit, is empty or not finite, and unknown words.

    Example:
        >>> psf = pr.psf.gaussian((3, 3), sigma=0.7)
        >>> A = pr.Blur(psf, (9, 9))
        >>> x = np.zeros((9, 9))
        >>> x[4, 4] = 1
        >>> np.allclose((A @ x)[3:6, 3:6], psf), f"{(A @ x).sum():.3f}"
        (True, '1.000')
    """

    min_column_sum = MIN_COLUMN_SUM
    covers_data = True

    def __init__(
        self,
        psf: ArrayLike,
        shape: tuple[int, ...],
        boundary: str = "zero",
        *,
        center: int | Sequence[int] | None = None,
        normalize: bool | float = False,
        oversize: bool = False,
        method: str = "auto",
        accuracy: float | None = None,
        memory: int | None = None,
    ) -> None:
        check_words("Blur", boundary, method)
        self.psf = checked_psf("Blur", psf, shape, normalize, oversize)
        self.center = checked_center("Blur", self.psf.shape, center)
        self.boundary, self.method = boundary, method
        self.accuracy = _rounding(psf) if accuracy is None else accuracy
        self.memory = memory
        self.out_shape = tuple(shape)
        rank = self.psf.ndim
        lead, plane = self.out_shape[:-rank], self.out_shape[-rank:]
        k = self.psf.shape
        self._before = tuple(n - 1 - c for n, c in zip(k, self.center, strict=True))
        unknown = boundary == "unknown"
        margin = [n - 1 if unknown else 0 for n in k]
        self.in_shape = (*lead, *(n + m for n, m in zip(plane, margin, strict=True)))
        inside = [slice(b * unknown, b * unknown + n) for b, n in zip(self._before, plane)]  # noqa: B905
        self.frame = (*(slice(n) for n in lead), *inside)
        self.nonnegative = bool((self.psf >= 0).all())
        self._extension: Extension | None = None
        self._engine: Any = None if 0 in self.in_shape else self._make_engine(plane)
        self._set_batch_axes(range(len(lead) + (k[0] == 1 < rank)))

    def _make_engine(self, plane: Shape) -> Any:
        """Choose the engine: on x̃ for "reflect" and for "periodic" in space or tiles, else on x."""
        psf, boundary, memory = self.psf, self.boundary, self.memory
        reach = tuple(n - 1 for n in psf.shape)
        enlarged = tuple(n + r for n, r in zip(plane, reach, strict=True))
        domain, shift = (plane, self.center) if boundary == "zero" else (enlarged, reach)
        if boundary in ("reflect", "periodic"):
            self._extension = Extension(plane, self._before, self.center, boundary)
        if self.method == "direct":
            return direct_engine(psf, domain, plane, shift, self.accuracy, memory=memory)
        if psf.ndim == 1:  # the transforms take two axes at least
            psf, plane, domain, shift = psf[None], (1, *plane), (1, *domain), (0, *shift)
        circular = boundary == "periodic" and memory is None
        transforms = (
            PeriodicConvolution(psf, plane, (0, *self.center)[-len(plane) :])
            if circular
            else FourierConvolution(psf, domain, plane, shift)
        )
        circle = (max(transforms.lengths[0], plane[0]), *transforms.lengths[1:])
        if self.method == "auto":
            direct = direct_engine(psf, domain, plane, shift, self.accuracy, circle, memory)
            if direct is not None:
                return direct
        if circular:
            self._extension = None
        if memory is None or transforms.work_bytes() <= memory:
            return transforms
        return TiledConvolution(psf, domain, plane, shift, memory)

    def work_bytes(self, itemsize: int = 4) -> int:
        """Bytes held besides x and y."""
        if self._engine is None:
            return 0
        extended = np.prod(self._extension.extended) if self._extension else 0
        return int(self._engine.work_bytes(itemsize) + itemsize * extended)

    @property
    def tiles(self) -> int:
        """Number of tiles of a frame."""
        return getattr(self._engine, "tiles", 1)

    def describe(self) -> str:
        """The method of computation, in words."""
        return "nothing" if self._engine is None else self._engine.describe()

    @property
    def padded_shape(self) -> Shape:
        """Lengths of the blurred axes as transformed; in tiles, those of one tile."""
        rank = self.psf.ndim
        return self.in_shape[-rank:] if self._engine is None else self._engine.lengths[-rank:]

    def with_psf(self, psf: Any) -> Blur:
        """The same blur with another PSF of this shape, by transforms."""
        return self._with(psf, self.out_shape, "fft", None)

    def _with(self, psf: Any, shape: Shape, method: str, accuracy: float | None) -> Blur:
        return Blur(
            psf,
            shape,
            self.boundary,
            center=self.center,
            oversize=True,
            method=method,
            accuracy=accuracy,
            memory=self.memory,
        )

    def as_function_of_psf(self, x: Any) -> LinearOperator:
        """h ↦ (blur with the PSF h) x, for h of the shape of the PSF."""
        return BlurOfPSF(self, x)

    def _resized(self, shape: Shape) -> Blur:
        margins = [m - n for m, n in zip(self.in_shape, self.out_shape, strict=True)]
        frame = tuple(n - m for n, m in zip(shape, margins, strict=True))
        return self._with(self.psf, frame, self.method, self.accuracy)

    def _forward(self, x: Any, out: Any) -> None:
        self._engine.convolve(x if self._extension is None else self._extension.extend(x), out)

    def _adjoint(self, y: Any, out: Any) -> None:
        if self._extension is None:
            self._engine.correlate(y, out)
            return
        extended = self._extension.scratch(y)
        self._engine.correlate(y, extended)
        self._extension.fold(extended, out)

    def _norm_bounds(self, bounds: Callable[[LinearOperator], Any]) -> Any:
        """‖A‖² ≤ (largest row sum) · (largest column sum) of |A| (Schur 1911); ‖A 1‖ / ‖1‖ ≤ ‖A‖.

        The sums are at most Σ |psf|, but for columns that a reflecting margin folds back to.
        For a frame much larger than the PSF the two bounds are close."""
        one = self.one_slice() or self
        rows = columns = float(abs(self.psf).sum())
        if self.boundary == "reflect":
            positive = Blur(
                abs(one.psf), one.out_shape, "reflect", center=one.center, oversize=True
            )
            columns = float(positive.column_sums(np.empty(0)).max(initial=0))
        upper = np.sqrt(rows * columns) * (1 + 1e-6)  # as computed in float32
        if not self.nonnegative:
            return 0.0, upper
        response = one.row_sums(np.empty(0))
        size = max(vectors.size(one.in_shape), 1)
        lower = np.sqrt(float(vectors.dots(response, response)[0]) / size) * (1 - 1e-6)
        return (lower, upper) if upper <= CLOSE * lower else None


class BlurOfPSF(LinearOperator):
    """h ↦ Blur(h, …) x: from PSFs of the shape of `blur.psf` to images of the frame.

    Convolution commutes: y[i] = Σ_m x̃[m] h[i + s − m] is the engine of `Blur` with the extended
    image x̃ as the PSF, so its transpose is exact.

    blur: its PSF has as many axes as its image, two or three.  x: of the blur's in_shape, copied.
    Holds the transform of x̃ and work of that size."""

    def __init__(self, blur: Blur, x: Any) -> None:
        if len(blur.out_shape) != blur.psf.ndim or blur.psf.ndim < 2:
            raise ArgumentError(
                f"BlurOfPSF: expected an image of two or three axes and a PSF of as many, got "
                f"{blur.out_shape} and {blur.psf.shape}; take one image at a time"
            )
        self.in_shape, self.out_shape = blur.psf.shape, blur.out_shape
        image = np.asarray(arrays.to_host(x), np.float64)
        self.nonnegative = not image.size or bool(image.min() >= 0)
        if blur.boundary in ("reflect", "periodic"):
            before = tuple(k - 1 - c for k, c in zip(self.in_shape, blur.center, strict=True))
            extension = Extension(self.out_shape, before, blur.center, blur.boundary)
            image = extension.extend(image)
        reach = tuple(k - 1 for k in self.in_shape)
        shift = blur.center if blur.boundary == "zero" else reach
        self._engine = FourierConvolution(image, self.in_shape, self.out_shape, shift)

    def _forward(self, x: Any, out: Any) -> None:
        self._engine.convolve(x, out)

    def _adjoint(self, y: Any, out: Any) -> None:
        self._engine.correlate(y, out)


def _rounding(psf: Any) -> float:
    """The accuracy of the PSF's values: float32 values stored as float64 count as float32."""
    psf = arrays.to_host(psf)
    single = psf.dtype.itemsize <= 4 or bool((psf.astype(np.float32) == psf).all())
    return rounding(np.dtype(np.float32 if single else np.float64))
