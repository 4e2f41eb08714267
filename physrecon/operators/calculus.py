"""Differences as operators: the gradient of an image and the strain of a vector field.

    (∇x)_a   = (x[i + e_a] − x[i]) / h_a            forward, 0 at the far end (Neumann)
    (E w)_ab = (∂_b w_a + ∂_a w_b) / 2              backward, for a gradient field w

The transpose of ∇ is minus the divergence.  ‖∇‖² = Σ_a (2/h_a · cos(π / 2 n_a))² exactly: the
eigenvectors of ∇ᵀ∇ are cosines."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from physrecon.arrays.vectors import Axis, Shape
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator

ROUNDING = 1e-6  # relative margin around exact norms, for arithmetic in float32


@dataclass(frozen=True)
class Lattice:
    """The view (planes, ny, n) of an array of any rank, on which `kernels.stencils` works.

    axes: differentiated axes, ascending; spacing: step along each.  scales: 1/h along z, y, x."""

    axes: tuple[int, ...]
    spacing: tuple[float, ...]
    view: tuple[int, int, int]
    layout: tuple[int, int, int]
    scales: tuple[float, float, float]

    def scales_in(self, dtype: Any) -> tuple[Any, ...]:
        return tuple(dtype.type(s) for s in self.scales)

    def flat(self, array: Any) -> Any:
        """An array, or a field with its components in sequence, as (planes, ny, n)."""
        return array.reshape(-1, *self.view[1:])


def lattice(where: str, shape: Shape, steps: dict[int, float]) -> Lattice:
    """The lattice of an array of this shape.  steps: axis → spacing, from `sorted_axes`."""
    axes, spacing = tuple(steps), tuple(steps.values())
    last, rest = axes[-1], axes[:-1]
    stride = math.prod(shape[last + 1 :])
    rows = 1 if not rest else math.prod(shape[rest[-1] + 1 : last])
    along_y = rest[-1] if rest and rows == 1 else None
    along_z = next((a for a in rest if a != along_y), None)
    if len(axes) == 3 and along_y is None:
        raise ArgumentError(
            f"{where}.axes: expected the last two of {axes} side by side in {tuple(shape)}; "
            "move the axis between them to the front"
        )
    split = last if along_y is None else along_y  # rows before it are not differentiated along y
    if along_y is None:
        ny = rows if along_z is not None else math.prod(shape[:last])
        planes = math.prod(shape[: along_z + 1]) if along_z is not None else 1
        jump = 1
    else:
        ny, planes = shape[along_y], math.prod(shape[:along_y])
        jump = math.prod(shape[along_z + 1 : split]) if along_z is not None else 1
    depth = shape[along_z] if along_z is not None else 1
    scales = (0.0 if a is None else 1 / steps[a] for a in (along_z, along_y, last))
    return Lattice(
        axes,
        spacing,
        (planes, ny, shape[last] * stride),
        (depth, jump, stride),
        tuple(scales),  # type: ignore[arg-type]
    )


def sorted_axes(where: str, shape: Shape, spacing: Any, axes: Any) -> dict[int, float]:
    """Axis → spacing, for one to three axes in ascending order.  axes: None for all."""
    rank = len(shape)
    if not rank or not all(isinstance(n, Integral) and int(n) >= 0 for n in shape):
        raise ArgumentError(f"{where}: expected the shape of an array, got {shape!r}")
    given = tuple(range(rank)) if axes is None else axes
    if not isinstance(given, tuple | list) or not all(
        isinstance(a, Integral) and -rank <= int(a) < rank for a in given
    ):
        raise ArgumentError(f"{where}.axes: expected axes of x of {tuple(shape)}, got {axes!r}")
    given = [int(a) % rank for a in given]
    if len(set(given)) != len(given) or not 1 <= len(given) <= 3:
        raise ArgumentError(
            f"{where}.axes: expected one to three axes of x of {tuple(shape)}, each once, "
            f"got {given}"
        )
    if isinstance(spacing, Real):
        spacing = (spacing,) * len(given)
    elif len(spacing) == rank:
        spacing = [spacing[a] for a in given]
    if len(spacing) != len(given) or not all(
        isinstance(h, Real) and 0 < float(h) < math.inf for h in spacing
    ):
        raise ArgumentError(
            f"{where}.spacing: expected a number > 0, or one for each axis, got {spacing!r}"
        )
    return {a: float(h) for a, h in sorted(zip(given, spacing, strict=True))}


def gradient_norm(shape: Shape, axes: Sequence[int], spacing: Sequence[float]) -> float:
    """‖∇‖, the largest singular value."""
    pairs = zip(axes, spacing, strict=True)
    return math.hypot(*(2 / h * math.cos(math.pi / (2 * max(shape[a], 1))) for a, h in pairs))


class _Differences(LinearOperator):
    """Base of both operators: a lattice, and slices along an axis without differences."""

    def __init__(
        self,
        shape: Shape,
        spacing: float | Sequence[float] = 1.0,
        axes: Sequence[int] | None = None,
    ) -> None:
        where = type(self).__name__
        steps = sorted_axes(where, shape, spacing, axes)
        self._grid = tuple(int(n) for n in shape)
        self._lattice = lattice(where, self._grid, steps)
        self.axes, self.spacing = self._lattice.axes, self._lattice.spacing
        self.in_shape, self.out_shape = self._shapes(len(self.axes))
        free = (self._slices_along(axis) for axis in range(len(self._grid) - 1))
        self.slices = next((slices for slices in free if slices), None)

    def _shapes(self, d: int) -> tuple[Shape, Shape]:
        """Shapes of x and y for differences along d axes."""
        raise NotImplementedError

    def _slices_along(self, axis: Axis) -> tuple[Axis, Axis] | None:
        """Slice axes of x and y for an axis of the grid, None for a differentiated axis."""
        if not isinstance(axis, int) or (axis in self.axes and self._grid[axis] > 1):
            return None
        components = len(self.in_shape) - len(self._grid)  # axes of components in front of x
        return axis + components, axis + 1

    def _call(self, kernel: Callable[..., None], source: Any, target: Any) -> None:
        at = self._lattice
        kernel(at.scales_in(source.dtype), at.layout, at.flat(source), at.flat(target))

    def one_slice(self) -> LinearOperator | None:
        if self.slices is None:
            return None
        axis = next(a for a in range(len(self._grid)) if self._slices_along(a) == self.slices)
        shape = tuple(1 if a == axis else n for a, n in enumerate(self._grid))
        return type(self)(shape, self.spacing, self.axes).with_slice_axis(axis)

    def with_slice_axis(self, axis: Axis) -> LinearOperator:
        other = copy.copy(self)
        other.slices = self._slices_along(axis) or self.slices
        other._transpose = None
        return other


class Gradient(_Differences):
    """∇: x of `shape` → (d, *shape), the differences along d axes per unit length.

    spacing: distance of neighbours, one number or one per axis (of x, or of `axes`).  axes: one to
    three axes of x; None: all.  Components are in ascending order of axes; each is 0 at the far end
    of its axis.  Slices are along the first axis not in `axes`.

    >>> D = pr.Gradient((2, 3), spacing=0.5)
    >>> D.out_shape
    (2, 2, 3)
    >>> (D @ np.array([[0.0, 1.0, 3.0], [0.0, 1.0, 3.0]]))[1]  # along x
    array([[2., 4., 0.],
           [2., 4., 0.]])
    """

    def _shapes(self, d: int) -> tuple[Shape, Shape]:
        return self._grid, (d, *self._grid)

    def _forward(self, x: Any, out: Any) -> None:
        from physrecon.kernels import stencils

        self._call(stencils.gradient, x, out)

    def _adjoint(self, y: Any, out: Any) -> None:
        from physrecon.kernels import stencils

        self._call(stencils.adjoint, y, out)

    def _norm_bounds(self, bounds: Callable[[LinearOperator], Any]) -> Any:
        norm = gradient_norm(self._grid, self.axes, self.spacing)
        return norm * (1 - ROUNDING), norm * (1 + ROUNDING)


class SymmetricGradient(_Differences):
    """E: a vector field w (d, *shape) → (d(d + 1)/2, *shape), its strain per unit length.

    Components: the diagonal, ∂_a w_a, then √2 · (∂_b w_a + ∂_a w_b) / 2 for the pairs of axes in
    order.  The factor √2 makes the Euclidean norm the Frobenius norm of the matrix.  As in a
    `Gradient`, component a of w has no value at the far end of axis a: elements there are ignored.
    shape, spacing, axes: as of `Gradient`.

    >>> D, E = pr.Gradient((5, 5)), pr.SymmetricGradient((5, 5))
    >>> y, x = np.mgrid[:5, :5].astype(float)
    >>> bool((E @ (D @ (2 * x + y)))[:, :3, :3].any())  # a plane has no curvature
    False
    >>> (E @ (D @ (x * y)))[:, 1, 1].round(3).tolist()  # yy, xx, √2 xy
    [0.0, 0.0, 1.414]
    """

    def _shapes(self, d: int) -> tuple[Shape, Shape]:
        return (d, *self._grid), (d * (d + 1) // 2, *self._grid)

    def _forward(self, x: Any, out: Any) -> None:
        from physrecon.kernels import strain

        self._call(strain.strain, x, out)

    def _adjoint(self, y: Any, out: Any) -> None:
        from physrecon.kernels import strain

        self._call(strain.stress, y, out)

    def _norm_bounds(self, bounds: Callable[[LinearOperator], Any]) -> Any:
        """‖E‖ ≤ ‖∇‖: the norm of a matrix is at least that of its symmetric part."""
        norm = gradient_norm(self._grid, self.axes, self.spacing)
        return 0, norm * (1 + ROUNDING)
