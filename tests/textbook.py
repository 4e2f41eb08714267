"""Likelihoods by the textbook: what the kernels must agree with."""

from __future__ import annotations

import numpy as np
from naive import flat
from scipy.special import kl_div

import physrecon as pr
from physrecon.arrays import vectors


def full(values, f):
    """Parameters as one number per datum, flat."""
    return flat(vectors.transform(np.array, _spread(values, f.A.out_shape)))


def _spread(values, shape):
    if vectors.is_product(shape):
        return tuple(_spread(v, s) for v, s in zip(values, shape, strict=True))
    return np.broadcast_to(values, shape)


def truth(f, p):
    """(values, slopes) of all data by the textbook, for predicted data p, flat."""
    y = flat(f.y)
    if isinstance(f, pr.TransmissionLikelihood):
        mean = full(f.blank, f) * np.exp(-p) + full(f.dark, f)
        return kl_div(y, mean), -full(f.blank, f) * np.exp(-p) * (1 - y / mean)
    if isinstance(f, pr.PoissonLikelihood):
        mean = p + full(f.background, f)
        return kl_div(y, mean), 1 - y / mean
    r = p - y
    if isinstance(f, pr.StudentT):
        nu, s = f.dof, f.scale
        return (nu + 1) / 2 * np.log(1 + r**2 / (nu * s**2)), (nu + 1) * r / (nu * s**2 + r**2)
    delta = f.delta if isinstance(f, pr.Huber) else np.inf
    w = 1 if f.weights is None else full(f.weights, f)
    values = np.where(abs(r) <= delta, r**2 / 2, np.minimum(delta, 1e9) * (abs(r) - delta / 2))
    return w * values, w * np.clip(r, -delta, delta)
