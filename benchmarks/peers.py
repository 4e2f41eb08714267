"""The peers on this machine, each run as its users would.

ASTRA's CPU projectors use one thread, so there is one process per core with slices of its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Case:
    """A square slice of `size`² voxels seen by `views` on `size` columns of a voxel.

    Parallel beams over 180°, or fans over 360° from a source at 4 sizes with a detector at 6, whose
    columns are 1.5 voxels."""

    size: int
    views: int
    fan: bool = False

    @property
    def angles(self) -> np.ndarray:
        return np.linspace(0, (1 + self.fan) * np.pi, self.views, endpoint=False)


def _astra(case: Case, what: str, repeats: int, iterations: int) -> None:
    import astra

    volume = astra.create_vol_geom(case.size, case.size)
    if case.fan:
        at = 1.5, case.size, case.angles, 4.0 * case.size, 2.0 * case.size
        beam, kind = astra.create_proj_geom("fanflat", *at), "line_fanflat"
    else:
        beam, kind = astra.create_proj_geom("parallel", 1.0, case.size, case.angles), "linear"
    projector = astra.create_projector(kind, beam, volume)
    W = astra.OpTomo(projector)
    x = np.ones((case.size, case.size), np.float32)
    y = np.ones((case.views, case.size), np.float32)
    for _ in range(repeats):
        if what == "forward":
            W.FP(x)
        elif what == "back":
            W.BP(y)
        else:
            W.reconstruct(what, y, iterations)
    astra.clear()


@dataclass
class Astra:
    """ASTRA's CPU projectors, `linear` (Joseph) and `line_fanflat`, in `processes` processes.

    A context manager."""

    processes: int
    pool: multiprocessing.pool.Pool = field(init=False)

    def __enter__(self) -> Astra:
        self.pool = multiprocessing.get_context("spawn").Pool(self.processes)
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.terminate()

    def run(
        self, case: Case, what: str, repeats: int = 1, iterations: int = 1
    ) -> Callable[[], object]:
        """A call that runs `what` ("forward", "back", "SIRT", "CGLS", "FBP") on processes · repeats
        slices."""
        jobs = [(case, what, repeats, iterations)] * self.processes
        return lambda: self.pool.starmap(_astra, jobs, chunksize=1)


def skimage(case: Case, what: str) -> Callable[[], object]:
    """A call that runs "forward", "back" or "FBP" on one slice with scikit-image."""
    from skimage.transform import iradon, radon

    degrees = np.rad2deg(case.angles)
    if what == "forward":
        x = np.zeros((case.size, case.size), np.float32)
        return lambda: radon(x, degrees, circle=True)
    y = np.ones((case.size, case.views), np.float32)
    name = "ramp" if what == "FBP" else None
    return lambda: iradon(y, degrees, filter_name=name, circle=True)
