"""Phantoms with known truth, and simulated scans of them."""

from physrecon.datasets.ellipses import Ellipses, Ellipsoids
from physrecon.datasets.images import specimen
from physrecon.datasets.phantoms import (
    foam,
    random_ellipses,
    random_ellipsoids,
    shepp_logan,
    shepp_logan_phantom,
)
from physrecon.datasets.simulate import (
    PHANTOMS,
    Simulation,
    read_simulation,
    simulate_scan,
    simulated_truth,
)

__all__ = [
    "PHANTOMS",
    "Ellipses",
    "Ellipsoids",
    "Simulation",
    "foam",
    "random_ellipses",
    "random_ellipsoids",
    "read_simulation",
    "shepp_logan",
    "shepp_logan_phantom",
    "simulate_scan",
    "simulated_truth",
    "specimen",
]
