"""A PSF as a sum of few separable ones: psf ≈ Σ_r u_r ⊗ v_r ⊗ w_r.

The error of the sum is ‖psf − sum‖₁ / ‖psf‖₁.  By Young's inequality, the error times Σ |psf|
bounds the norm of the difference of the two blurs, in the maximum norm and in the Euclidean norm.

For two axes the singular value decomposition has the fewest terms (Eckart and Young 1936).  For
three the search is in the core that the leading singular vectors of the axes span (Tucker 1966): an
eigenvalue problem gives the factors of an exact sum (Leurgans, Ross and Abel, SIAM J. Matrix Anal.
Appl. 14 (1993) 1064), and alternating least squares refine them (Kolda and Bader, SIAM Review 51
(2009) 455).  Terms that cancel one another would cost digits and are rejected.  If few terms do not
suffice, one axis is split off, then another: those terms are orthogonal; the largest are kept.
"""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

from physrecon.cancellation import cancellation_point

Term = tuple[np.ndarray, ...]

ROUNDING = {4: 2.0**-22, 8: 2.0**-45}  # relative rounding error of a PSF, by bytes per value
FEW = 8  # maximum number of terms sought by least squares
CORE = FEW + 2  # singular vectors kept per axis
CANCELLING = 4.0  # maximum of Σ ‖term‖₁ / ‖psf‖₁
SWEEPS, CHECK = 400, 10  # of least squares over all axes: maximum, and between error checks
BETTER = 0.99  # ratio of successive errors up to which the sweeps continue


def rounding(dtype: np.dtype) -> float:
    """The rounding error of a PSF of this dtype, relative to ‖psf‖₁."""
    return ROUNDING[4 if dtype.kind == "f" and dtype.itemsize <= 4 else 8]


def separated(
    psf: np.ndarray, accuracy: float | None = None, most: int | None = None
) -> list[Term] | None:
    """The PSF as a sum of terms, each the product of one array per axis, in float64.

    psf: array of one to three axes.  accuracy: bound of ‖psf − sum‖₁ / ‖psf‖₁; None: the rounding
    of the PSF's dtype, at which a product of three arrays has one term.  most: maximum number of
    terms; returns None if more are needed."""
    accuracy = rounding(psf.dtype) if accuracy is None else accuracy
    psf = psf.astype(np.float64)
    size = float(abs(psf).sum())
    if most is not None and most < 1:
        return None
    if psf.ndim == 1:
        return [(psf,)]
    if not size:
        return [tuple(np.zeros(n) for n in psf.shape)]
    few = FEW if most is None else min(FEW, most)
    terms = _cp_terms(psf / size, accuracy, few) if psf.ndim == 3 else None
    if terms is None and (psf.ndim == 2 or few == FEW):
        terms = _orthogonal(psf / size, accuracy, most)
    return None if terms is None else [_balanced(term, size) for term in terms]


def product(term: Term) -> np.ndarray:
    return reduce(np.multiply.outer, term)


def _balanced(term: Term, size: float) -> Term:
    """`size` times the term, with factors of equal norm."""
    norms = [float(np.linalg.norm(factor)) or 1.0 for factor in term]
    common = (size * math.prod(norms)) ** (1 / len(term))
    return tuple(factor * (common / norm) for factor, norm in zip(term, norms, strict=True))


# Orthonormal terms ----------------------------------------------------------------------------


def _orthogonal(psf: np.ndarray, accuracy: float, most: int | None) -> list[Term] | None:
    """The fewest largest orthogonal terms within the accuracy, or None if more than `most`."""
    rest = psf.copy()
    terms = _expansion(psf)[:most]
    for count, term in enumerate(terms, start=1):
        rest -= product(term)
        if abs(rest).sum() <= accuracy:
            return terms[:count]
    return None


def _expansion(psf: np.ndarray) -> list[Term]:
    """psf (‖psf‖₁ = 1) as the sum of orthogonal terms, largest first."""
    u, sizes, rest = np.linalg.svd(psf.reshape(len(psf), -1), full_matrices=False)
    if psf.ndim == 2:
        return [(u[:, r] * size, rest[r]) for r, size in enumerate(sizes)]
    found = []
    for r, size in enumerate(sizes):
        for v, w in _expansion(rest[r].reshape(psf.shape[1:])):
            found.append((size * float(np.linalg.norm(v)), (u[:, r] * size, v, w)))
    found.sort(key=lambda pair: -pair[0])
    return [term for _, term in found]


# Non-orthogonal terms -------------------------------------------------------------------------


def _cp_terms(psf: np.ndarray, accuracy: float, most: int) -> list[Term] | None:
    """The fewest terms found within the accuracy, or None if more than `most`."""
    core, bases = _tucker_core(psf)
    if abs(psf - _expanded(core, bases)).sum() > accuracy:
        return None
    for count in range(1, most + 1):
        factors = _jennrich_factors(core, count)
        if factors is None:
            return None
        _als_sweeps(core, factors)
        columns = [(basis @ f).T for basis, f in zip(bases, factors, strict=True)]
        terms: list[Term] = list(zip(*columns, strict=True))
        products = [product(term) for term in terms]
        cancelling = sum(float(abs(p).sum()) for p in products)
        if abs(psf - sum(products)).sum() <= accuracy and cancelling <= CANCELLING:
            return terms
    return None


def _tucker_core(psf: np.ndarray) -> tuple[np.ndarray, Term]:
    """psf in the bases of the leading singular vectors of each axis, and these bases."""
    flat = [np.moveaxis(psf, axis, 0).reshape(n, -1) for axis, n in enumerate(psf.shape)]
    small = [
        np.asarray(np.linalg.qr(a.T, mode="r")).T for a in flat
    ]  # with the same left singular vectors
    bases = tuple(np.linalg.svd(a, full_matrices=False)[0][:, :CORE] for a in small)
    return _expanded(psf, tuple(basis.T for basis in bases)), bases


def _expanded(core: np.ndarray, bases: Term) -> np.ndarray:
    return np.einsum("abc,ia,jb,kc->ijk", core, *bases, optimize=True)


def _jennrich_factors(core: np.ndarray, count: int) -> list[np.ndarray] | None:
    """Factors whose products sum to the core, if such exist; None if the core has too few rows.

    Σ a ⊗ b ⊗ c has the slices A D Bᵀ, D diagonal: the eigenvectors of one slice times the inverse
    of another are A.  The factors of the axis across the slices are left at zero."""
    least = [
        float(np.linalg.norm(np.moveaxis(core, axis, 0)[count - 1 :])) for axis in range(core.ndim)
    ]
    across = int(np.argmin(least))  # the axis with the least content beyond `count − 1` factors
    first, second = (axis for axis in range(core.ndim) if axis != across)
    if min(core.shape[first], core.shape[second]) < count:
        return None
    slices = np.moveaxis(core, across, 0)[:2, :count, :count]
    values, vectors = np.linalg.eig(slices[-1] @ np.linalg.pinv(slices[0]))
    a = np.where(values.imag < 0, vectors.imag, vectors.real)  # a real basis of a complex pair
    factors = [np.zeros((n, count)) for n in core.shape]
    factors[first][:count] = a
    factors[second][:count] = (np.linalg.pinv(a) @ slices[0]).T
    return factors


def _als_sweeps(core: np.ndarray, factors: list[np.ndarray]) -> None:
    """Alternating least squares: solve for the factors of each axis in turn, in place."""
    order = sorted(range(core.ndim), key=lambda axis: bool(factors[axis].any()))
    error = np.inf
    for sweep in range(1, SWEEPS + 1):
        cancellation_point()
        for axis in order:
            u, v = (f for other, f in enumerate(factors) if other != axis)
            seen = np.einsum("ijk,jr,kr->ri", np.moveaxis(core, axis, 0), u, v)
            factors[axis] = np.linalg.lstsq((u.T @ u) * (v.T @ v), seen, rcond=None)[0].T
        if sweep % CHECK == 0:
            before = error
            error = float(np.linalg.norm(core - np.einsum("ir,jr,kr->ijk", *factors)))
            if error > BETTER * before:
                return
