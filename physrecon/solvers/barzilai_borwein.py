"""The spectral step  t = ⟨s, s⟩ / ⟨s, y⟩  from the last changes s of x and y of the gradient.

1/t is a curvature of F between the two points.  With this step gradient descent is as fast as
conjugate gradients on many problems.  The objective may rise in between: a step is accepted below
the largest of the last ten objectives.  Barzilai and Borwein, IMA J. Numer. Anal. 8 (1988) 141;
Raydan (1997); with a constraint it is the spectral projected gradient of Birgin, Martínez and
Raydan, SIAM J. Optim. 10 (2000) 1196."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from physrecon.arrays.vectors import Numbers
from physrecon.solvers.armijo import Armijo
from physrecon.solvers.line_search import Step
from physrecon.solvers.state import ratio

LONGEST = 1e4  # largest ratio to the step before; a larger one comes from rounding


@dataclass(frozen=True)
class BarzilaiBorwein(Armijo):
    """The rule "bb" of `GradientDescent`; first step and memory as in `Armijo`."""

    memory: ClassVar[int] = 10

    def _next(self, step: Numbers, found: Step, slope: Numbers, length: Numbers) -> Numbers:
        # s = α d, so ⟨s, y⟩ is α times the rise of the slope; it is <= 0 if F is concave along d.
        rise = found.slope - slope
        longer = np.where(rise > 0, found.alpha * ratio(length, rise), 10 * step)
        return np.minimum(longer, LONGEST * step)
