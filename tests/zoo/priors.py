"""Every prior.  A new one is one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import physrecon as pr
from physrecon.arrays import vectors
from physrecon.priors.tikhonov import Smooth
from zoo.matrices import Dense

# Priors of an x of PRIOR_SHAPE; where couples(0, …) is false they also take some of its slices.
PRIOR_SHAPE = (3, 4, 2)


def differences(shape: Any) -> Dense:
    """Differences of neighbours along the last axis, each slice of axis 0 on its own."""
    nz, ny, nx = shape
    M = np.kron(np.eye(nz * ny), np.eye(nx)[1:] - np.eye(nx)[:-1])
    D = Dense(M, shape, (nz, ny, nx - 1))
    D.slices = (0, 0)
    D._norm_bounds = lambda bounds: (0, 2)  # type: ignore[method-assign]
    return D


# How far inner iterations go.
EXACT: dict[str, Any] = {"tolerance": 1e-12, "iterations": 3000}

_PRIORS: dict[str, Callable[[], Any]] = {
    "tikhonov": lambda: pr.Tikhonov(0.7),
    "tikhonov differences": lambda: pr.Tikhonov(0.7, differences),
    "tikhonov matrix": lambda: pr.Tikhonov(0.3, lambda shape: 2 * pr.Identity(shape)),
    "smooth": lambda: Smooth(0.7, (0, 2), (0.5, 1)),
    "smooth, slices": lambda: Smooth(0.7, (1, 2)),
    "l1": lambda: pr.L1(0.6),
    "wavelet l1": lambda: pr.WaveletL1(0.6, "haar", 1, axes=(1, 2)),
    "nuclear norm": lambda: pr.NuclearNorm(0.8),
    "nuclear norm, middle axis": lambda: pr.NuclearNorm(0.8, channel_axis=1),
    "nuclear tv": lambda: pr.NuclearTotalVariation(0.5, spacing=(1.0, 0.5)),
    "nuclear tv, slices": lambda: pr.NuclearTotalVariation(0.5, channel_axis=2, axes=(1,)),
    "plug and play": lambda: pr.PlugAndPlay(lambda x, sigma: x / (1 + sigma**2), 0.5),
    "plug and play, slices": lambda: pr.PlugAndPlay(lambda x, sigma: x / (1 + sigma), axis=0),
    "sum of splits": lambda: pr.L1(0.4) + pr.NuclearNorm(0.3) + pr.Tikhonov(0.2, differences),
    "sum of splits, slices": lambda: pr.L1(0.4) + pr.Tikhonov(0.2, differences),
    "sum of quadratics": lambda: pr.Tikhonov(0.4) + pr.Tikhonov(2, differences),
    "total variation": lambda: pr.TotalVariation(0.3, **EXACT),
    "total variation, slices": lambda: pr.TotalVariation(0.3, axes=(1, 2), **EXACT),
    "total variation, anisotropic": lambda: pr.TotalVariation(
        0.3, axes=(1, 2), spacing=(0.5, 2), isotropic=False, **EXACT
    ),
    "huber tv": lambda: pr.HuberTV(0.6, 0.3),
    "huber tv, slices": lambda: pr.HuberTV(0.6, 0.3, axes=(-2, -1), isotropic=False),
    "tgv, slices": lambda: pr.TGV(0.5, 1.5, axes=(1, 2), spacing=(2, 1), tolerance=1e-4),
    "joint total variation": lambda: pr.JointTotalVariation(0.6),
}
PRIORS = [pytest.param(make, id=name) for name, make in _PRIORS.items()]


def priors_of(kind: str) -> list[Any]:
    """The priors of a kind."""
    return [pytest.param(m, id=n) for n, m in _PRIORS.items() if kind in m().capabilities]


# What proximal maps are tried with.
STEP = 0.7
STEPS = np.array([0.2, 0.7, 3.0]).reshape(3, 1, 1)  # one a slice
BOX = pr.Box(-0.4, 0.9)


def with_zeros(shape=PRIOR_SHAPE, seed=0, dtype=np.float64):
    """Noise some elements of which are zero, so that kinks are met."""
    rng = np.random.default_rng(seed)

    def one(s):
        return np.where(rng.uniform(size=s) < 0.2, 0, rng.standard_normal(s)).astype(dtype)

    return vectors.build(shape, one)


def prox(prior, x, step=STEP, constraint=None):
    return prior.prox(vectors.copy(x), step, constraint)
