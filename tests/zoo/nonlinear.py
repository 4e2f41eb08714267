"""Every operator that is not linear, with its formula.  A new one is one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import physrecon as pr
from zoo.matrices import KEEP, VALUES, SliceWise, alike, positive, signed, slice_matrix, unlike


def square(shape: Any) -> pr.Pointwise:
    return pr.Pointwise(np.square, lambda x: 2 * x, shape)


def waves(shape: Any, a: Any, b: Any) -> pr.Pointwise:
    """y = b sin(a x)"""
    return pr.Pointwise(
        lambda x, a, b: b * np.sin(a * x), lambda x, a, b: a * b * np.cos(a * x), shape, (a, b)
    )


def products() -> pr.Function:
    """x ↦ x[1:] · x[:-1], row by row, for rows of 4."""

    def vjp(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
        dx = np.zeros_like(x)
        dx[:, 1:] += dy * x[:, :-1]
        dx[:, :-1] += dy * x[:, 1:]
        return dx

    return pr.Function(
        lambda x: x[:, 1:] * x[:, :-1],
        lambda x, dx: dx[:, 1:] * x[:, :-1] + x[:, 1:] * dx[:, :-1],
        vjp,
        (3, 4),
        (3, 3),
    )


def _times(A: Any, x: np.ndarray) -> np.ndarray:
    """A x by ordinary linear algebra."""
    M = slice_matrix(A) if isinstance(A, SliceWise) else A.M
    return (M @ x.reshape(-1)).reshape(A.out_shape)


FLATS = np.linspace(1, 2, 12).reshape(4, 1, 3)

# name → (operator that is not linear, the same by NumPy alone)
_NONLINEAR: dict[str, Callable[[], tuple[pr.Operator, Callable[[Any], Any]]]] = {
    "exponential": lambda: (pr.Exponential((5, 3), VALUES), lambda x: VALUES * np.exp(-x)),
    "transmission": lambda: (
        pr.Exponential((4, 3, 3), 100) @ (A := alike()),
        lambda x: 100 * np.exp(-_times(A, x)),
    ),
    "flats": lambda: (
        pr.Exponential((4, 3, 3), FLATS) @ (A := unlike()),
        lambda x: FLATS * np.exp(-_times(A, x)),
    ),
    "views of flats": lambda: (
        (pr.Mask(KEEP) @ (2 * pr.Exponential((4, 3, 3), FLATS)) @ (A := unlike()))[[3, 1]],
        lambda x: (KEEP * 2 * FLATS * np.exp(-_times(A, x)))[[3, 1]],
    ),
    "square": lambda: (square((2, 5)), np.square),
    "waves": lambda: (waves((4, 3), FLATS[:, 0], 2), lambda x: 2 * np.sin(FLATS[:, 0] * x)),
    "waves of views": lambda: (
        (waves((4, 3, 3), 0.5, FLATS) @ (A := alike()))[:3],
        lambda x: (FLATS * np.sin(0.5 * _times(A, x)))[:3],
    ),
    "products": lambda: (products(), lambda x: x[:, 1:] * x[:, :-1]),
    "between matrices": lambda: (
        signed().T @ square((5, 3)) @ (-0.5 * square((5, 3))) @ (A := signed()),
        lambda x: (A.M.T @ (0.25 * (A.M @ x.reshape(-1)) ** 4)).reshape(3, 4),
    ),
    "sum": lambda: (
        (pr.Exponential((5, 3)) @ (A := positive()) - square((5, 3)) @ (B := signed())) / 2 + A,
        lambda x: (np.exp(-_times(A, x)) - _times(B, x) ** 2) / 2 + _times(A, x),
    ),
    "stack": lambda: (
        pr.vstack([square((4, 3, 3)) @ (A := alike()), pr.Identity((3, 2, 3))]),
        lambda x: (_times(A, x) ** 2, x),
    ),
    "views of a stack": lambda: (
        pr.vstack([square((4, 3, 3)) @ (A := alike()), B := unlike()])[[6, 5, 2]],
        lambda x: np.concatenate([_times(A, x) ** 2, _times(B, x)])[[6, 5, 2]],
    ),
    "blocks": lambda: (
        pr.block_diagonal([square((4, 3, 3)) @ (A := alike()), pr.Exponential((3, 2))]),
        lambda x: (_times(A, x[0]) ** 2, np.exp(-x[1])),
    ),
    "sum of blocks": lambda: (
        pr.hstack([A := positive(), pr.Identity((5, 3))])
        @ pr.block_diagonal([square((3, 4)), pr.Exponential((5, 3))]),
        lambda x: _times(A, x[0] ** 2) + np.exp(-x[1]),
    ),
    "nothing": lambda: (pr.Exponential((0, 3)), lambda x: x),
}
NONLINEAR = [pytest.param(make, id=name) for name, make in _NONLINEAR.items()]
