"""Slow, obvious truth: what the fast code must agree with."""

from __future__ import annotations

from typing import Any

import numpy as np


def flat(vector: Any) -> np.ndarray:
    """An array, or a tuple of arrays, as one float64 vector."""
    if isinstance(vector, tuple):
        return np.concatenate([flat(part) for part in vector])
    return np.asarray(vector, np.float64).reshape(-1)


def matrix(A: Any) -> np.ndarray:
    """The matrix of an operator whose domain is an array, column by column, in float64."""
    columns = []
    for i in range(int(np.prod(A.in_shape))):
        unit = np.zeros(A.in_shape)
        unit.reshape(-1)[i] = 1
        columns.append(flat(A @ unit))
    return np.array(columns).reshape(len(columns), -1).T


def slope(function: Any, x: np.ndarray, direction: np.ndarray, step: float = 1e-4) -> float:
    """Derivative of a function of an array along a direction, by central differences."""
    ahead, behind = function(x + step * direction), function(x - step * direction)
    return (ahead - behind) / (2 * step)
