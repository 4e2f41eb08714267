"""Random signs, which perturb data to measure a trace (Girard 1989)."""

from __future__ import annotations

from typing import Any

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Vector

SEED = 1990


def random_signs(y: Vector) -> Vector:
    """± 1 in the place of every number, the same for the same shape."""

    def of(part: Any) -> Any:
        signs = np.random.default_rng(SEED).integers(0, 2, part.shape) * 2 - 1
        return arrays.to_device(
            signs.astype(part.dtype), "cuda" if arrays.is_device(part) else "cpu"
        )

    return vectors.transform(of, y)
