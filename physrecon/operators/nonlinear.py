"""Operators that are not linear: elementwise maps, Beer–Lambert, and a user's own function.

y = φ(x) element by element has the Jacobian diag(φ'(x)).  Attenuation p along a ray reduces its
intensity from I₀ to I₀ e^{−p} (Bouguer 1729, Lambert 1760, Beer 1852): `Exponential(shape, I0) @ A`
maps a volume to transmitted counts.  Gradients and Gauss–Newton methods need only `linearize`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Shape, Vector, default_slice_axis
from physrecon.errors import ArgumentError
from physrecon.operators.base import LinearOperator, Operator
from physrecon.operators.diagonal import Diagonal, Elementwise


class Slopes(Diagonal):
    """The Jacobian of an elementwise map: a `Diagonal` that is not checked for NaN, as iterations
    check their own sums."""

    def __init__(self, slopes: Any, axis: Axis) -> None:
        self._set(slopes.shape, axis, (slopes,))
        self.nonnegative = False
        self.dtype = slopes.dtype


class Pointwise(Elementwise):
    """y = function(x, *parameters), element by element.

    function, derivative: callables of x and the parameters that return a new array of the shape of
    x.  They must not change x, and take NumPy or CuPy arrays, as x is.
    shape: of x and y.  parameters: finite numbers or arrays that broadcast to the shape.  Values
    that differ between data belong here, not inside the functions: `[views]` can then index them.
    axis: as in `Identity`.

    The Jacobian holds one array like y.

    >>> F = pr.Pointwise(lambda x, c: c * x**2, lambda x, c: 2 * c * x, (3,), parameters=(0.5,))
    >>> F @ np.array([1.0, 2.0, 3.0])
    array([0.5, 2. , 4.5])
    """

    def __init__(
        self,
        function: Callable[..., Any],
        derivative: Callable[..., Any],
        shape: int | Shape,
        parameters: tuple[Any, ...] = (),
        axis: Axis = None,
    ) -> None:
        for name, call in (("function", function), ("derivative", derivative)):
            if not callable(call):
                raise ArgumentError(f"Pointwise.{name}: expected a callable, got {call!r}")
        self._function, self._derivative = function, derivative
        _set_elementwise(self, shape, axis, parameters)

    def _forward(self, x: Any, out: Any) -> None:
        value = self._function(x, *self._near(x))
        _write("Pointwise.function", value, out)

    def _linearize(self, x: Any) -> LinearOperator:
        slopes = arrays.like(x)
        _write("Pointwise.derivative", self._derivative(x, *self._near(x)), slopes)
        return Slopes(slopes, self._axis)


class Exponential(Elementwise):
    """y = scale · e^{−p}: the intensity transmitted after the attenuation p (Beer–Lambert).

    shape: of p and y.  scale: the unattenuated intensity, a number or an array that broadcasts to
    the shape (a flat field, say).  axis: as in `Identity`.

    The Jacobian, diag(−y), holds one array like y.

    >>> counts = pr.Exponential(3, scale=1000.0) @ np.log(np.array([1.0, 2.0, 4.0]))
    >>> counts.round(6).tolist()
    [1000.0, 500.0, 250.0]
    """

    def __init__(self, shape: int | Shape, scale: Any = 1.0, axis: Axis = None) -> None:
        _set_elementwise(self, shape, axis, (scale,))

    def _forward(self, x: Any, out: Any) -> None:
        xp = arrays.namespace(x)
        xp.negative(x, out=out)
        xp.exp(out, out=out)
        out *= self._near(x)[0]

    def _linearize(self, x: Any) -> LinearOperator:
        slopes = arrays.like(x)
        self._forward(x, slopes)
        return Slopes(arrays.namespace(x).negative(slopes, out=slopes), self._axis)


class Function(Operator):
    """y = forward(x): a user-defined function with its Jacobian J at x.

    forward(x) → y;  jvp(x, dx) → J dx;  vjp(x, dy) → Jᵀ dy: callables on arrays (tuples of arrays
    for tuples of shapes).  They must not change their arguments, and return the given shapes on the
    machine of x.  `check_linearization(F)` and `check_adjoint(F.linearize(x))` test all three.
    slices: (axis of x, axis of y) along which the function treats every slice on its own.

    The Jacobian holds a copy of x.

    >>> F = pr.Function(
    ...     forward=lambda x: x * x[::-1],
    ...     jvp=lambda x, dx: dx * x[::-1] + x * dx[::-1],
    ...     vjp=lambda x, dy: dy * x[::-1] + (dy * x)[::-1], in_shape=(2,), out_shape=(2,))
    >>> F @ np.array([2.0, 3.0]), F.linearize(np.array([2.0, 3.0])) @ np.array([1.0, 0.0])
    (array([6., 6.]), array([3., 3.]))
    >>> pr.check_linearization(F, np.array([2.0, 3.0])) > 1.9
    True
    """

    def __init__(
        self,
        forward: Callable[[Vector], Vector],
        jvp: Callable[[Vector, Vector], Vector],
        vjp: Callable[[Vector, Vector], Vector],
        in_shape: Shape,
        out_shape: Shape,
        slices: tuple[Axis, Axis] | None = None,
    ) -> None:
        for name, call in (("forward", forward), ("jvp", jvp), ("vjp", vjp)):
            if not callable(call):
                raise ArgumentError(f"Function.{name}: expected a callable, got {call!r}")
        self._function, self._jvp, self._vjp = forward, jvp, vjp
        self.in_shape, self.out_shape, self.slices = tuple(in_shape), tuple(out_shape), slices

    def _forward(self, x: Vector, out: Vector) -> None:
        _write("Function.forward", self._function(x), out)

    def _linearize(self, x: Vector) -> LinearOperator:
        return FunctionJacobian(self, vectors.copy(x))


class FunctionJacobian(LinearOperator):
    """The Jacobian of a `Function` at x."""

    proved_adjoint = False  # `jvp` and `vjp` are the user's

    def __init__(self, function: Function, x: Vector) -> None:
        self._f, self._x = function, x
        self.in_shape, self.out_shape = function.in_shape, function.out_shape
        self.dtype, self.slices = vectors.leaves(x)[0].dtype, function.slices

    def _forward(self, x: Vector, out: Vector) -> None:
        _write("Function.jvp", self._f._jvp(self._x, x), out)

    def _adjoint(self, y: Vector, out: Vector) -> None:
        _write("Function.vjp", self._f._vjp(self._x, y), out)


def _set_elementwise(
    F: Elementwise, shape: int | Shape, axis: Axis, parameters: tuple[Any, ...]
) -> None:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    where = type(F).__name__
    if vectors.is_product(shape):
        raise ArgumentError(f"{where}: expected one shape, got {shape}; use block_diagonal")
    arrays_of = tuple(vectors.broadcastable(where, p, shape) for p in parameters)
    F._set(shape, default_slice_axis(shape) if axis is None else axis, arrays_of)


def _write(where: str, result: Vector, out: Vector) -> None:
    """out ← the result of the user's function.  Raises ArgumentError for wrong shapes."""
    fits = isinstance(result, tuple) == isinstance(out, tuple)
    got = [getattr(leaf, "shape", type(leaf).__name__) for leaf in vectors.leaves(result)]
    wanted = [leaf.shape for leaf in vectors.leaves(out)]
    if not fits or got != wanted:
        raise ArgumentError(f"{where}: expected arrays of {wanted}, got {got}")
    for target, leaf in zip(vectors.leaves(out), vectors.leaves(result), strict=True):
        target[...] = leaf
