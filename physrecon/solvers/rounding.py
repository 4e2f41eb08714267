"""Whether the gradient Aᵀ r of least squares is rounding, so that further steps would follow noise.

Björck (1996), section 7.1: in floating point ‖Aᵀ r‖ comes down to a part of eps ‖A‖ ‖r‖ that
depends on A.  Directions made of rounding have a part in the null space of A, which A p does not
show: they grow, and x with them.  So the end is where ‖Aᵀ r‖ is at most a given part of that unit,
or rises again after it has been near it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NEAR, RISE = 4.0, 4.0  # units; times the least value so far


def is_rounding(
    gradient: NDArray[np.float64], least: NDArray[np.float64], ends: Any
) -> NDArray[np.bool_]:
    """Of each slice, whether the gradient is rounding.

    gradient: ‖Aᵀ r‖ in units of rounding, eps ‖A‖ ‖r‖.  least: the least it was before.  ends: the
    part of the unit that is the end in any case."""
    return (gradient <= ends) | ((least <= NEAR) & (gradient >= RISE * least))
