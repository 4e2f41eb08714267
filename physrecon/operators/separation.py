"""A PSF as a sum of few separable ones: psf ≈ Σ_r u_r ⊗ v_r ⊗ w_r.

How far the sum may be off is measured by ‖psf − sum‖₁ / ‖psf‖₁, sums of absolute values: by Young's
inequality, this times Σ |psf| bounds the norm of what the blur does otherwise, be it that of the
largest value of an image or the Euclidean one.

Along two axes the singular value decomposition has the fewest terms (Eckart and Young 1936).  Along
three the fewest are sought by least squares (Levenberg and Marquardt), one term more at a time, in
the core that the leading singular vectors of the axes span (Tucker 1966; Kolda and Bader, SIAM
Review 51 (2009) 455).  They may not cancel one another, which would cost digits.  Where few will
not do, one axis is split off, then another: those terms are orthogonal; the largest are kept."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

Term = tuple[np.ndarray, ...]

ROUNDING = {4: 2.0**-22, 8: 2.0**-45}  # of a PSF whose numbers take so many bytes
FEW = 8  # most terms that are sought by least squares
CORE = FEW + 2  # singular vectors of an axis among which they are sought
CANCELLING = 4.0  # times ‖psf‖₁: most that they may add up to in absolute value
STEPS = 100  # of least squares for each number of terms
SLOW = 1e-4  # part of the squares that a step must take off to be worth another
STUCK = 1e12  # damping at which no step lessens the squares any more


def rounding(dtype: np.dtype) -> float:
    """The accuracy within which a PSF of this dtype cannot be told from its rounding."""
    return ROUNDING[4 if dtype.kind == "f" and dtype.itemsize <= 4 else 8]


def separated(
    psf: np.ndarray, accuracy: float | None = None, most: int | None = None
) -> list[Term] | None:
    """The PSF as a sum of terms, each the product of one array per axis, in float64.

    psf: array of one to three axes.  accuracy: bound of ‖psf − sum‖₁ / ‖psf‖₁; None is the rounding
    of the PSF's dtype, with which a product of three arrays has one term.  most: the answer is None
    if it takes more terms than this."""
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
    terms = _oblique(psf / size, accuracy, few) if psf.ndim == 3 else None
    if terms is None and (psf.ndim == 2 or few == FEW):
        terms = _orthogonal(psf / size, accuracy, most)
    return None if terms is None else [_balanced(term, size) for term in terms]


def product(term: Term) -> np.ndarray:
    return reduce(np.multiply.outer, term)


def _balanced(term: Term, size: float) -> Term:
    """`size` times the term, its factors of one norm."""
    norms = [float(np.linalg.norm(factor)) or 1.0 for factor in term]
    common = (size * math.prod(norms)) ** (1 / len(term))
    return tuple(factor * (common / norm) for factor, norm in zip(term, norms, strict=True))


# Orthonormal terms ----------------------------------------------------------------------------


def _orthogonal(psf: np.ndarray, accuracy: float, most: int | None) -> list[Term] | None:
    """The fewest of the largest orthogonal terms that do, if no more than `most`."""
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


# Terms at any angle ---------------------------------------------------------------------------


def _oblique(psf: np.ndarray, accuracy: float, most: int) -> list[Term] | None:
    """The fewest terms that least squares finds to do, if no more than `most`."""
    core, bases = _core(psf)
    if abs(psf - _expanded(core, bases)).sum() > accuracy:
        return None
    factors: Term = tuple(np.zeros((n, 0)) for n in core.shape)
    rest = core
    for _ in range(most):
        leading = _balanced(_expansion(rest)[0], 1.0)
        start = tuple(np.column_stack([f, new]) for f, new in zip(factors, leading, strict=True))
        factors, rest = _least_squares(core, start)
        columns = [(basis @ f).T for basis, f in zip(bases, factors, strict=True)]
        terms: list[Term] = list(zip(*columns, strict=True))
        products = [product(term) for term in terms]
        cancelling = sum(float(abs(p).sum()) for p in products)
        if abs(psf - sum(products)).sum() <= accuracy and cancelling <= CANCELLING:
            return terms
    return None


def _core(psf: np.ndarray) -> tuple[np.ndarray, Term]:
    """psf in the bases of the leading singular vectors of each axis, and these bases."""
    flat = [np.moveaxis(psf, axis, 0).reshape(n, -1) for axis, n in enumerate(psf.shape)]
    bases = tuple(np.linalg.svd(a, full_matrices=False)[0][:, :CORE] for a in flat)
    return _expanded(psf, tuple(basis.T for basis in bases)), bases


def _expanded(core: np.ndarray, bases: Term) -> np.ndarray:
    return np.einsum("abc,ia,jb,kc->ijk", core, *bases, optimize=True)


def _least_squares(core: np.ndarray, factors: Term) -> tuple[Term, np.ndarray]:
    """Factors whose columns' products add up to the core as well as some steps get it; the rest."""
    rest, damping = core - _sum(factors), 1e-3
    for _ in range(STEPS):
        squares = float((rest**2).sum())
        jacobian = _jacobian(factors)
        normal, slope = jacobian.T @ jacobian, jacobian.T @ rest.reshape(-1)
        while damping < STUCK:
            change = np.linalg.solve(normal + damping * np.eye(len(normal)), slope)
            trial = _moved(factors, change)
            remains = core - _sum(trial)
            taken = squares - float((remains**2).sum())
            if taken > 0:
                break
            damping *= 4
        else:
            break
        factors, rest, damping = trial, remains, damping / 5
        if taken < SLOW * squares:
            break
    return factors, rest


def _sum(factors: Term) -> np.ndarray:
    return np.einsum("ir,jr,kr->ijk", *factors)


def _jacobian(factors: Term) -> np.ndarray:
    """Derivative of the sum: a row for each of its elements, a column for each of the factors'."""
    u, v, w = factors
    i, j, k = (np.eye(len(f)) for f in factors)
    blocks = (
        np.einsum("ia,jr,kr->ijkar", i, v, w),
        np.einsum("ir,ja,kr->ijkar", u, j, w),
        np.einsum("ir,jr,ka->ijkar", u, v, k),
    )
    rows = len(u) * len(v) * len(w)
    return np.concatenate([block.reshape(rows, -1) for block in blocks], axis=1)


def _moved(factors: Term, change: np.ndarray) -> Term:
    parts = np.split(change, np.cumsum([f.size for f in factors])[:-1])
    return tuple(f + part.reshape(f.shape) for f, part in zip(factors, parts, strict=True))
