"""Random data of an operator's range."""

from __future__ import annotations

from typing import Any

import numpy as np

from physrecon.arrays import vectors


def data_for(A: Any, seed: int = 0, dtype: Any = np.float64) -> Any:
    """Random data of the operator's range, of both signs."""
    rng = np.random.default_rng(seed)

    def one(shape: Any) -> Any:
        if shape and isinstance(shape[0], tuple):
            return tuple(one(s) for s in shape)
        return rng.standard_normal(shape).astype(dtype)

    return one(A.out_shape)


def counts_for(A: Any, level: float = 3.0, seed: int = 0, dtype: Any = np.float64) -> Any:
    """Poisson counts of the operator's range, some of them zero."""
    rng = np.random.default_rng(seed)

    def one(shape: Any) -> Any:
        if shape and isinstance(shape[0], tuple):
            return tuple(one(s) for s in shape)
        return rng.poisson(level, shape).astype(dtype)

    return one(A.out_shape)


def noise(shape: Any, dtype: Any = np.float64, seed: int = 0) -> Any:
    """Normal numbers in the place of an array or of a tuple of arrays."""
    rng = np.random.default_rng(seed)
    return vectors.build(shape, lambda s: rng.standard_normal(s).astype(dtype))
