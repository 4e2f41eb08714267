"""Base class of likelihoods:  f(x) = Σ φ(A x; y),  ∇f(x) = J(x)ᵀ φ'(A x).

A subclass supplies its loss φ as a kernel of `kernels.losses`: one pass over the predicted data p
sums φ(p; y) and replaces p by φ'(p).  J is A if A is linear, else the Jacobian of A at x."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar, NoReturn, Self

import numpy as np
from numpy.typing import ArrayLike

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Vector
from physrecon.errors import ArgumentError
from physrecon.likelihoods.parameters import compact, split
from physrecon.notebook import one_line
from physrecon.operators.adopted import OperatorLike, of_data
from physrecon.operators.base import LinearOperator, Operator
from physrecon.operators.checks import slice_norm_bounds
from physrecon.operators.diagonal import Diagonal


class Likelihood:
    """f(x) = Σ φ(A x; y), normalised so that the minimum of φ is 0.

    A: a LinearOperator or another Operator.  y: of A.out_shape, float32 or float64, finite.
    convex: f is convex for every allowed A x.  needs_nonnegative: the bounds `lipschitz` and
    `curvature` hold for A x >= 0 only.  quadratic: φ is ½ w (p − y)², as for LeastSquares.

    value, gradient, value_and_gradient: for the whole of x, which must be finite.
    values, values_and_gradient: one value per slice of A, (slices,) or (1,) float64; NaN and
    infinity affect only the slices that contain them.
    data_values, data_slopes, data_curvatures: of predicted data p = A x, of A.out_shape.

    holds: number of data sets held besides those of the solver.  counts: y are counts, which
    presuppose x >= 0.  raw_counts: y are detector counts, not line integrals.  settings: names of
    the job fields that the class accepts.  takes_weights: it has weights, 0 for masked data.

    Holds one data set besides y during a call.

    >>> f = pr.LeastSquares(pr.Identity((2, 1, 3)), np.zeros((2, 1, 3)))  # one of them
    >>> x = np.ones((2, 1, 3))
    >>> f.value(x), f.values(x).tolist()  # ½ ‖x‖² of the whole, and of each slice
    (3.0, [1.5, 1.5])
    >>> bool((f.gradient(x) == x).all())
    True
    """

    convex: bool = True
    needs_nonnegative: bool = False
    quadratic: bool = False
    holds: ClassVar[int] = 0
    counts: ClassVar[bool] = False
    raw_counts: ClassVar[bool] = False
    settings: ClassVar[tuple[str, ...]] = ()
    takes_weights: ClassVar[bool] = False

    def __init__(self, A: OperatorLike, y: ArrayLike) -> None:
        self.name = type(self).__name__
        self.A: Operator = of_data(self.name, A, y)
        where, shape = f"{self.name}.y", self.A.out_shape
        self.y: Vector = vectors.checked_finite(where, y, shape, self.takes_weights)

    @classmethod
    def for_slab(
        cls, A: LinearOperator, y: Any, *, blank: Any = None, dark: Any = None, **settings: Any
    ) -> Self:
        """The likelihood of one slab of a scan.

        y (views, rows, columns): line integrals, or counts if `raw_counts`; only then are `blank`
        and `dark` given, as in TransmissionLikelihood.  settings: one value per name."""
        return cls(A, y, **settings)

    @classmethod
    def find_settings(cls, y: Any) -> dict[str, float]:
        """Estimate the values of `settings` from the data y (views, rows, columns)."""
        return {}

    def __repr__(self) -> str:
        return f"{self.name}: A {self.A!r}, y {one_line(self.y)}"

    # Defined by subclasses --------------------------------------------------------------------

    def _pass(self, p: Any, y: Any, what: int, leaf: int, axis: Any, partial: Any) -> None:
        """Run the kernel of φ on array number `leaf` of the data, p and y reshaped by `split`."""
        raise NotImplementedError

    def subset(self, views: Any) -> Self:
        """The likelihood of the selected views only; views are axis 0 of the data."""
        raise NotImplementedError

    @cached_property
    def unit(self) -> float:
        """The unit of y: see `vectors.unit_of`."""
        return vectors.unit_of(self.y)

    def in_units(self, unit: float) -> tuple[Self, float] | None:
        """The likelihood f' of x and y in multiples of `unit`, and v of  f(unit · x) = v f'(x).

        None if there is no such f', as for a nonlinear A.  unit: a power of 2³².  Made once; holds
        one data set more."""
        kept = self.__dict__.setdefault("_in_units", {})
        if unit not in kept:
            kept[unit] = self._scaled(unit) if isinstance(self.A, LinearOperator) else None
        return kept[unit]

    def _scaled(self, unit: float) -> tuple[Self, float] | None:
        """`in_units` for a linear A."""
        return None

    def _of_data(self, y: Vector, *outdated: str) -> Self:
        """A copy of this likelihood for other data, without the `outdated` cached properties."""
        other = copy.copy(self)
        other.y = y
        for name in ("_in_units", "unit", "_pulled_data", *outdated):
            other.__dict__.pop(name, None)
        return other

    def _max_curvature(self) -> Numbers:
        """The largest φ'' per slice, (slices,) or (1,)."""
        p = vectors.fill(vectors.empty(self.A.out_shape, self.y), 0)
        self.data_curvatures(p)  # for counts φ'' is largest at p = 0
        return self._largest(p)

    # Slices -----------------------------------------------------------------------------------

    @property
    def axis(self) -> Axis:
        """Axis of x along which the slices are independent, or None."""
        return self.A.slices[0] if self.A.slices else None

    @property
    def data_axis(self) -> Axis:
        return self.A.slices[1] if self.A.slices else None

    # Data space -------------------------------------------------------------------------------

    def data_values(self, p: Vector) -> Numbers:
        """Σ φ(p) per slice; works on a copy of p."""
        return self.data_slopes(vectors.copy(p))

    def data_slopes(self, p: Vector) -> Numbers:
        """p ← φ'(p); returns Σ φ per slice.  One pass over the data."""
        from physrecon.kernels.losses import SLOPES

        return self._go_through(p, SLOPES)

    def data_curvatures(self, p: Vector) -> None:
        """p ← c(p) >= 0, for which φ(p) + φ'(p) (t − p) + ½ c (t − p)² majorises φ(t)."""
        from physrecon.kernels.losses import CURVATURES

        self._go_through(p, CURVATURES)

    def data_losses(self, p: Vector) -> None:
        """p ← φ(p) of each datum."""
        from physrecon.kernels.losses import LOSSES

        self._go_through(p, LOSSES)

    def masked(self, keep: Vector) -> Self:
        """The likelihood of the data that `keep` leaves: the others count as 0 under A = 0.

        keep: 1 or 0 for each datum, of A.out_shape.  The others add a constant to f and nothing to
        its gradient, for any φ."""
        y = vectors.copy(self.y)
        vectors.multiply(y, keep)
        other = self._of_data(y, "normal", "lipschitz", "_noise_deviance")
        other.A = Diagonal(keep, self.A.out_shape, self.data_axis) @ self.A
        return other

    def _go_through(self, p: Vector, what: int) -> Numbers:
        values = np.zeros(1)
        for leaf, (y, axis, one) in enumerate(self._leaves(p)):
            values = values + self._sums(one, y, what, leaf, axis)
        return values

    def _leaves(self, *others: Vector) -> Iterator[tuple[Any, ...]]:
        """Yield (array of y, its slice axis, the matching array of each other vector)."""
        axes = vectors.leaf_axes(self.data_axis, self.y)
        return zip(vectors.leaves(self.y), axes, *map(vectors.leaves, others), strict=True)

    def _sums(self, p: Any, y: Any, what: int, leaf: int, axis: int | None) -> Numbers:
        if not p.size:
            return np.zeros(1 if axis is None else p.shape[axis])
        shape = split(y.shape, axis)
        view = p.reshape(shape)
        partial = arrays.partial_sums(view)
        self._pass(view, y.reshape(shape), what, leaf, axis, partial)
        return arrays.total(partial if axis is not None else partial.reshape(-1, 1, 1))

    def residual_norms(self, values: Numbers) -> Numbers:
        """√(2 f); for least squares this is ‖W^½ (A x − y)‖."""
        return np.sqrt(2 * np.maximum(values, 0))

    def expected_norms(self) -> Numbers:
        """√(2 f) expected from noise alone, per slice: √m for m data."""
        return np.sqrt(self.counted())

    def _estimated_norms(self, roots: Vector | None) -> Numbers:
        """√m times the estimated noise level, per slice, for m data that x can change.

        roots: square roots of the weights."""
        from physrecon.likelihoods.noise_level import noise_level

        total = np.zeros(1)
        roots = vectors.transform(lambda y: np.ones(1), self.y) if roots is None else roots
        for y, axis, root, untouched in self._leaves(roots, self._untouched()):
            xp = arrays.namespace(y)
            weights = xp.where(untouched, 0, xp.asarray(root) ** 2)
            others = tuple(i for i in range(y.ndim) if i != axis)
            count = xp.broadcast_to(weights > 0, y.shape).sum(axis=others)
            level = noise_level(y, axis, weights)
            total = total + level**2 * arrays.to_host(count).reshape(-1)
        return np.sqrt(total)

    def _untouched(self) -> Vector:
        """Masks of the data y = 0 that no x changes, such as masked ones; broadcastable to y.

        Their residual is 0, so they tell nothing of the noise."""
        A = self.A
        touched = not isinstance(A, LinearOperator) or not A.nonnegative or A.covers_data
        if touched or all(bool((y != 0).all()) for y in vectors.leaves(self.y)):
            return vectors.transform(lambda y: arrays.namespace(y).zeros(1, bool), self.y)
        parts = [(s == 0) & (y == 0) for y, _, s in self._leaves(self._row_sums())]
        return tuple(parts) if isinstance(self.y, tuple) else parts[0]

    def _row_sums(self) -> Vector:
        return self._linear.row_sums(vectors.leaves(self.y)[0])

    def _count_of(self, used: Vector) -> Numbers:
        """Number of data per slice with `used` > 0 that x can change; `used` broadcasts to them."""
        total = np.zeros(1)
        for y, axis, part, untouched in self._leaves(used, self._untouched()):
            others = tuple(i for i in range(y.ndim) if i != axis)
            mask = (part > 0) & ~untouched
            counted = arrays.namespace(y).broadcast_to(mask, y.shape).sum(axis=others)
            total = total + arrays.to_host(counted).reshape(-1)
        return total.astype(np.float64)

    def counted(self) -> Numbers:
        """Number of data per slice that contribute to f."""
        return self._count_of(vectors.transform(lambda y: arrays.namespace(y).ones(1), self.y))

    # Degrees of freedom -----------------------------------------------------------------------

    def whitening(self) -> Vector:
        """1 / standard deviation of the data, up to one common factor; broadcastable to y."""
        return vectors.transform(lambda y: arrays.namespace(y).ones(1, y.dtype), self.y)

    def expected_data(self, p: Vector) -> Vector:
        """The mean of the data for A x = p."""
        return p

    def whitened(self, p: Vector) -> Vector:
        """The mean of the data for A x = p, in standard deviations of the data."""
        mean = vectors.copy(self.expected_data(p))
        vectors.multiply(mean, self.whitening())
        return mean

    def perturbed(self, signs: Vector, size: float) -> Self:
        """The same likelihood of perturbed data: y + signs · `size` standard deviations.

        signs: ± 1, of A.out_shape.  Data that may not be negative are reflected at 0."""
        y = vectors.copy(signs)
        for data, _, moved, precision in self._leaves(y, self.whitening()):
            xp = arrays.namespace(moved)
            moved *= xp.where(precision > 0, size / xp.where(precision > 0, precision, 1), 0)
            moved += data
        return self._of_data(y)

    # Volume space -----------------------------------------------------------------------------

    def value(self, x: Vector) -> float:
        return float(self.values(self._finite(x)).sum())

    def gradient(self, x: Vector, out: Vector = None) -> Vector:
        return self.gradient_and_free_values(self._finite(x), out)[0]

    def value_and_gradient(self, x: Vector, out: Vector = None) -> tuple[float, Vector]:
        values, gradient = self.values_and_gradient(self._finite(x), out)
        return float(values.sum()), gradient

    def values(self, x: Vector) -> Numbers:
        scaled = None if self.unit == 1 else self.in_units(self.unit)  # squares leave float32
        if scaled is not None:
            return scaled[1] * scaled[0].values(vectors.divided(x, self.unit))
        return self.data_slopes(self.A.forward(x))

    def values_and_gradient(self, x: Vector, out: Vector = None) -> tuple[Numbers, Vector]:
        """Values and gradient, by one application of A and one of Aᵀ."""
        p, jacobian = self.A.forward_and_linearize(x)
        values = self.data_slopes(p)
        return values, jacobian.adjoint(p, out)

    def gradient_and_free_values(
        self, x: Vector, out: Vector = None
    ) -> tuple[Vector, Numbers | None]:
        """The gradient, computed the cheapest way, and the values if they cost nothing more."""
        values, gradient = self.values_and_gradient(x, out)
        return gradient, values

    def _finite(self, x: Vector) -> Vector:
        return vectors.checked_finite(f"{self.name}(x)", x, self.A.in_shape)

    # Bounds of the curvature ------------------------------------------------------------------

    @cached_property
    def lipschitz(self) -> Numbers:
        """Certified upper bound of the curvature per slice: max φ'' · (bound of ‖A‖)²."""
        _, upper = slice_norm_bounds(self._linear)
        if not np.isfinite(upper).all():
            self._refuse("an operator with a finite norm", self.A, "correct its _norm_bounds")
        return upper**2 * self._max_curvature()

    def curvature(self, x: Vector) -> Vector:
        """Aᵀ (c ∘ A 1), of A.in_shape: the diagonal of De Pierro's separable majoriser.

        A must be linear and >= 0.  De Pierro, IEEE Trans. Med. Imaging 14 (1995) 132."""
        A = self._linear
        if not A.nonnegative:
            advice = "use a solver that takes its step from lipschitz, or LBFGS"
            self._refuse("an operator without negative entries", A, advice)
        p = A.forward(x)
        self.data_curvatures(p)
        vectors.multiply(p, A.row_sums(vectors.leaves(p)[0]))
        return A.adjoint(p)

    @property
    def _linear(self) -> LinearOperator:
        """A, which must be linear."""
        if not isinstance(self.A, LinearOperator):
            self._refuse("a linear operator", self.A, "use LBFGS or GaussNewton")
        return self.A

    def _refuse(self, expected: str, got: Any, advice: str) -> NoReturn:
        raise ArgumentError(f"{self.name}: expected {expected}, got {got}; {advice}")

    def _largest(self, vector: Vector) -> Numbers:
        """The largest element per slice of a vector that broadcasts to the data."""
        largest = np.zeros(1)
        for y, axis, v in self._leaves(vector):
            v = v.reshape((1,) * (y.ndim - v.ndim) + v.shape)
            others = tuple(i for i in range(v.ndim) if i != axis)
            peak = arrays.to_host(v.max(axis=others)).reshape(-1) if v.size else np.zeros(1)
            largest = np.maximum(largest, peak.astype(np.float64))
        return largest

    # Parameters per datum ---------------------------------------------------------------------

    def _beside(self, name: str, values: Any, allowed: str = ">= 0") -> Vector:
        """Parameters as arrays of the dtype and machine of the data.

        allowed: "any", ">= 0" or "> 0".  Raises ArgumentError outside this range."""
        if not isinstance(values, tuple | list) and np.ndim(values) == 0:
            number = arrays.plain(f"{self.name}.{name}", values)
            values = vectors.transform(lambda _: number, self.y)
        checked = vectors.broadcastable(f"{self.name}.{name}", values, self.A.out_shape)
        model = vectors.leaves(self.y)[0]

        def move(v: Any) -> Any:
            if allowed != "any" and ((v < 0).any() or (allowed == "> 0" and (v == 0).any())):
                self._refuse(f"{name} {allowed}", f"{float(v.min()):g}", "check its sign")
            moved = arrays.to_device(v, "cuda" if arrays.is_device(model) else "cpu")
            return moved.astype(model.dtype, copy=False)

        return vectors.transform(move, checked)

    def _positive(
        self, name: str, value: Any, advice: str = "it has the units of the data"
    ) -> float:
        if not (vectors.is_real(value) and math.isfinite(value) and value > 0):
            self._refuse(f"{name} > 0", repr(value), advice)
        return float(value)

    def _roots_of(self, weights: Any) -> Vector:
        """The square roots of the weights; None is weight 1."""
        return vectors.transform(
            lambda w: arrays.namespace(w).sqrt(w),
            self._beside("weights", 1 if weights is None else weights),
        )

    def _compact(self, values: Vector) -> list[Any]:
        """Parameters as kernels take them, (1 | outer, 1 | slices, inner), one per array of y."""
        return [compact(v, y.shape, axis) for y, axis, v in self._leaves(values)]

    def _with_steps(self, q: Vector, sigma: Any, parameter: Vector) -> Iterator[tuple[Any, ...]]:
        """Yield (array of q, its σ, array of y, array of the parameter), for `conjugate_prox`.

        sigma: one number or array for all arrays of q, or a tuple with one per array."""
        parts = list(self._leaves(q, parameter))
        steps = sigma if isinstance(sigma, tuple) else (sigma,) * len(parts)
        for (y, _, part, value), step in zip(parts, steps, strict=True):
            yield part, step, y, value
