"""The alternating direction method of multipliers, ADMM, on  f(x) + R(x)  with copies z = B x.

There is one split variable z per B: A, unless f is least squares; K of a prior g(K x); and 1 for a
prior used by its proximal map or for a constraint.  For a prior min_v g(K (x, v)), w has the part v
too.  d are the multipliers of z = B x, divided by ρ:

    w ← argmin  ½ ‖W^½ (A w − y)‖² + Σ ρ/2 ‖B w − z + d‖²       a step or two of conjugate gradient
    h = a B w + (1 − a) z;   z ← prox_{g/ρ}(h + d);   d ← d + h − z

with over-relaxation a (Boyd, Parikh, Chu, Peleato and Eckstein, Found. Trends Mach. Learn. 3 (2011)
1).  Eckstein and Bertsekas, Math. Program. 55 (1992) 293, allow errors of w with a finite sum.
Here the steps start from the last w, so the errors shrink as z settles.  No number of steps is
proved to suffice (Eckstein and Yao, Math. Program. 170 (2018) 417, test the error each time).
Where a prior acts on w alone, a circulant inverse preconditions the steps (Ramani and Fessler, IEEE
Trans. Med. Imaging 31 (2012) 677).
ρ balances ‖B w − z‖/‖z‖ against ‖z − previous z‖/‖d‖ (He, Yang and Wang, J. Optim. Theory Appl. 106
(2000) 337; Wohlberg, arXiv:1704.06209), ten times, the last time at iteration 1024."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from physrecon import arrays
from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Shape, Vector
from physrecon.errors import ArgumentError
from physrecon.priors.base import moreau
from physrecon.problem import Problem
from physrecon.solvers.circulant import Circulant
from physrecon.solvers.proximal import (
    ProximalMap,
    note_standstill,
    proximal_map,
    typical_curvature,
    use_of,
)
from physrecon.solvers.state import (
    VECTOR,
    ArraysHeld,
    Solver,
    State,
    assign_x,
    initial_fields,
    ratio,
)

BALANCE_AT = 2 ** np.arange(1, 11)  # iterations of a slice after which its ρ are balanced
MOST = 10.0  # largest factor by which ρ changes at once
TINY = 1e-15  # lower bound of both residuals, against division by zero
OVER = 1.6  # over-relaxation a; 1.5 to 1.8 is usual (Boyd et al.)


class Term(NamedTuple):
    """A quadratic term in w: B and Bᵀ into given memory, shape and slice axis of the range of B.

    prox: proximal map (z, 1/ρ) of the copy z = B x; None for least squares, which need no copy."""

    forward: Callable[[Vector, Vector], Vector]
    adjoint: Callable[[Vector, Vector], Vector]
    shape: Shape
    axis: Axis
    prox: ProximalMap | None


@dataclass
class ADMMState(State):
    """w: x before the last proximal map.  misfit: W^½ (A w − y), () if f is not least squares.
    Of each split variable: z, d, and images, which are B w.  rho: (split variables, slices).
    iterations_in_slice: (slices,)."""

    w: Vector = field(metadata=VECTOR)
    misfit: Vector = field(metadata=VECTOR)
    images: tuple[Vector, ...] = field(metadata=VECTOR)
    z: tuple[Vector, ...] = field(metadata=VECTOR)
    d: tuple[Vector, ...] = field(metadata=VECTOR)
    rho: Numbers
    iterations_in_slice: Numbers

    @property
    def prior_field(self) -> Vector:
        infimal = isinstance(self.w, tuple) and not isinstance(self.x, tuple)
        return self.w[1] if infimal else ()


@dataclass(frozen=True)
class ADMM(Solver):
    """Convex likelihoods of linear A whose φ* has a closed proximal map; any constraint; composed
    priors and proximal maps, those of denoisers too.

    The result x meets the constraint exactly.  A composed prior acts on a copy of K x, which K x
    only approximates.  Needs no norms.
    steps: conjugate gradient steps per iteration; each costs one A and one Aᵀ.
    Holds x, w, a direction, a gradient and one volume more, and two data sets besides y (five if f
    is not least squares); five times the range of K; five volumes for a proximal map or constraint;
    five for the preconditioner.

    >>> f = pr.LeastSquares(pr.Identity(4), np.array([0.0, 0.2, 4.8, 5.0]))
    >>> problem = pr.Problem(f, pr.TotalVariation(0.2))
    >>> result = pr.solve(problem, pr.ADMM(), stop=pr.Stop(iterations=40))
    >>> result.x.round(2).tolist()  # two levels, each 0.1 nearer to the other
    [0.2, 0.2, 4.8, 4.8]
    """

    steps: int = 2

    iterations = 50
    state_type = ADMMState
    accepts = ("composed", "infimal", "prox")
    certified = False
    holds = ArraysHeld(data=6, volumes=15)

    def __post_init__(self) -> None:
        self._check_whole("steps")

    def start(self, problem: Problem, x0: Vector = None) -> ADMMState:
        if not problem.has_dual:
            raise ArgumentError(
                f"ADMM: expected a linear operator and a likelihood with a closed proximal map, "
                f"such as LeastSquares or PoissonLikelihood, got {type(problem.f).__name__} of "
                f"{problem.f.A}; use PDHG or LBFGS"
            )
        fields, least_squares_terms, split_variables = (
            initial_fields(problem, x0),
            *self._terms(problem),
        )
        x = fields["x"]
        w = vectors.copy(x)
        if use_of(self, problem) == "infimal":
            w = (w, problem.prior_field(x))
        images = tuple(c.forward(w, vectors.empty(c.shape, x)) for c in split_variables)
        state = ADMMState(
            **fields,
            w=w,
            misfit=problem.f.residual(x) if least_squares_terms else (),
            images=images,
            z=tuple(vectors.copy(image) for image in images),
            d=tuple(vectors.fill(vectors.copy(image), 0) for image in images),
            rho=first_rho(problem, w, self._axis(problem), least_squares_terms, split_variables),
            iterations_in_slice=np.zeros(problem.count),
        )
        self._update_split_variables(state, split_variables)
        return state

    def advance(self, problem: Problem, state: ADMMState) -> ADMMState:
        least_squares_terms, split_variables = self._terms(problem)
        self._descend(problem, state, least_squares_terms, split_variables)
        state.iterations_in_slice = state.iterations_in_slice + state.active
        self._update_split_variables(state, split_variables)
        use = use_of(self, problem)
        clear = proximal_map(problem, use) is None
        w = state.w[0] if use == "infimal" else state.w
        assign_x(problem, state, w if clear else state.z[-1])
        if (state.change == 0).any():
            gaps = map(gap, split_variables, state.images, state.z)
            note_standstill(state, np.max([np.zeros(problem.count), *gaps], axis=0))
        state.value = None
        if clear and least_squares_terms:
            state.value = problem.gather(problem.f.values_of(state.misfit))
        return state

    def _terms(self, problem: Problem) -> tuple[list[Term], list[Term]]:
        """The least-squares term, if f is one; and the split variables, x itself last."""
        f, use = problem.f, use_of(self, problem)
        A, axis, least_squares_terms, split_variables = f.A, problem.data_axis, [], []
        if f.quadratic:
            least_squares_terms = [
                Term(partial(weighted, f), partial(pulled, f), A.out_shape, axis, None)
            ]
        else:
            prox = partial(moreau, f.conjugate_prox)
            split_variables = [Term(A.forward, A.adjoint, A.out_shape, axis, prox)]
        if use in ("composed", "infimal"):
            K, g = problem.prior_operator, problem.prior.composed_prox  # type: ignore[union-attr]
            split_variables.append(
                Term(K.forward, K.adjoint, K.out_shape, problem.prior_operator_axis, g)
            )
        if own := proximal_map(problem, use):
            split_variables.append(Term(assigned, assigned, A.in_shape, problem.axis, own))
        if use == "infimal":
            terms = (least_squares_terms, split_variables)
            return tuple([t if t.prox is g else of_first(t) for t in part] for part in terms)  # type: ignore[return-value]
        return least_squares_terms, split_variables

    def _axis(self, problem: Problem) -> Axis:
        """The slice axis of w."""
        if problem.axis is None or use_of(self, problem) != "infimal":
            return problem.axis
        return problem.axis, problem.prior_field_axis

    def _descend(
        self,
        problem: Problem,
        state: ADMMState,
        least_squares_terms: list[Term],
        split_variables: list[Term],
    ) -> None:
        """Conjugate gradient steps on w; they update the misfit and the images too."""
        axis, active = self._axis(problem), state.active
        shape = vectors.transform(lambda leaf: leaf.shape, state.w)
        one = np.ones(len(active))
        terms, weights = (
            least_squares_terms + split_variables,
            [one] * len(least_squares_terms) + list(state.rho),
        )
        images = ([state.misfit] if least_squares_terms else []) + list(state.images)
        s, p = state.scratch("gradient", shape), state.scratch("direction", shape)
        inverse, previous = self._inverse(problem, state, terms), one
        for step in range(self.steps):
            self._gradient(state, least_squares_terms, split_variables, s, axis)
            q = inverse.divide(s, weights) if inverse else s
            gamma = vectors.dots(s, q, axis)
            if step:
                vectors.scale_add(p, ratio(gamma, previous), one, q, axis, active)
            else:
                vectors.assign(p, q)
            previous = gamma
            moves = [
                term.forward(p, state.scratch(f"image {i}", term.shape))
                for i, term in enumerate(terms)
            ]
            curvature = sum(
                weight * vectors.dots(move, move, term.axis)
                for term, weight, move in zip(terms, weights, moves, strict=True)
            )
            alpha = ratio(vectors.dots(s, p, axis), curvature)
            vectors.scale_add(state.w, one, -alpha, p, axis, active)
            for term, image, move in zip(terms, images, moves, strict=True):
                vectors.scale_add(image, one, -alpha, move, term.axis, active)

    @staticmethod
    def _inverse(problem: Problem, state: ADMMState, terms: list[Term]) -> Circulant | None:
        """Kept with the memory of the state; a resume computes the same.

        None without a prior, which would say what voxels are that no ray sees: they stay."""
        if problem.prior is None or isinstance(problem.axis, tuple) or isinstance(state.w, tuple):
            return None
        if "_inverse" not in state.__dict__:
            responses = [partial(response, term) for term in terms]
            made = Circulant(responses, problem.f.A.in_shape, problem.axis, state.w)
            state.__dict__["_inverse"] = made
        return state.__dict__["_inverse"]

    def _gradient(
        self,
        state: ADMMState,
        least_squares_terms: list[Term],
        split_variables: list[Term],
        out: Vector,
        axis: Axis,
    ) -> None:
        """out ← Aᵀ W (A w − y) + Σ ρ Bᵀ (B w − z + d)"""
        vectors.fill(out, 0)
        one, every = np.ones(len(state.active)), np.ones(len(state.active), bool)
        pull = state.scratch("adjoint_of_residual", vectors.transform(lambda leaf: leaf.shape, out))
        for term in least_squares_terms:
            vectors.add(out, term.adjoint(state.misfit, pull))
        for i, (term, rho) in enumerate(zip(split_variables, state.rho, strict=True)):
            r = state.scratch(f"image {len(least_squares_terms) + i}", term.shape)
            vectors.assign(r, state.images[i])
            vectors.subtract(r, state.z[i])
            vectors.add(r, state.d[i])
            vectors.scale_add(out, one, rho, term.adjoint(r, pull), axis, every)

    def _update_split_variables(self, state: ADMMState, split_variables: list[Term]) -> None:
        """Update z, d and ρ of every split variable."""
        due, rho = state.active & np.isin(state.iterations_in_slice, BALANCE_AT), state.rho.copy()
        one = np.ones(len(due))
        for i, (copy, image, z, d) in enumerate(
            zip(split_variables, state.images, state.z, state.d, strict=True)
        ):
            axis, new = copy.axis, state.scratch(f"new {i}", copy.shape)
            vectors.scale_add(d, one, OVER * one, image, axis, state.active)
            vectors.scale_add(d, one, (1 - OVER) * one, z, axis, state.active)  # d + h
            vectors.assign(new, d)
            assert copy.prox is not None
            copy.prox(new, vectors.per_slice_broadcast(1 / rho[i], copy.shape, axis))
            moved = vectors.distances(new, z, axis) if due.any() else one
            vectors.assign(z, new, axis, state.active)
            length = vectors.scale_add(d, one, -one, z, axis, state.active)
            if due.any():
                primal = np.maximum(gap(copy, image, z), TINY)
                dual = np.maximum(np.sqrt(ratio(moved, length)), TINY)
                factor = np.clip(np.sqrt(primal / dual), 1 / MOST, MOST)
                factor = np.where(due & (length > 0), factor, 1)
                vectors.scale_add(d, 1 / factor, 0 * one, d, axis, due)
                rho[i] *= factor
        state.rho = rho


def gap(copy: Term, image: Vector, z: Vector) -> Numbers:
    """‖B w − z‖ / max(‖B w‖, ‖z‖) of each slice."""
    least_squares_terms = [vectors.dots(v, v, copy.axis) for v in (image, z)]
    return np.sqrt(ratio(vectors.distances(image, z, copy.axis), np.maximum(*least_squares_terms)))


def first_rho(
    problem: Problem,
    w: Vector,
    axis: Axis,
    least_squares_terms: list[Term],
    split_variables: list[Term],
) -> Numbers:
    """The ρ for which ρ ‖B‖² equals ‖W^½ A‖² in Frobenius norms; (split variables, slices).

    Images of random noise estimate these norms (Hutchinson 1990).  If f is not least squares, W is
    a typical curvature."""
    v = noise(vectors.transform(lambda leaf: leaf.shape, w), axis, w)

    def energy(term: Term) -> Numbers:
        image = term.forward(v, vectors.empty(term.shape, v))
        return vectors.dots(image, image, term.axis)

    own = (
        energy(least_squares_terms[0])
        if least_squares_terms
        else typical_curvature(problem) * energy(split_variables[0])
    )
    rho = np.ones((len(split_variables), problem.count))
    for i, copy in enumerate(split_variables):
        each = ratio(own, energy(copy))
        rho[i] = np.where((each > 0) & np.isfinite(each), each, 1)
    return rho


def noise(shape: Shape, axis: Axis, beside: Vector) -> Vector:
    """Normal noise, the same in every slice for any number of slices."""
    v, rng = vectors.empty(shape, beside), np.random.default_rng(0)
    for leaf, where in zip(vectors.leaves(v), vectors.leaf_axes(axis, v), strict=True):
        one = [1 if i == where else n for i, n in enumerate(leaf.shape)]
        sample = rng.standard_normal(one).astype(leaf.dtype)
        leaf[...] = arrays.to_device(sample, "cuda" if arrays.is_device(leaf) else "cpu")
    return v


def of_first(term: Term) -> Term:
    """The term of the first part of (x, v)."""

    def adjoint(r: Vector, out: Vector) -> Vector:
        term.adjoint(r, out[0])
        vectors.fill(out[1], 0)
        return out

    return term._replace(forward=lambda x, out: term.forward(x[0], out), adjoint=adjoint)


def response(term: Term, x: Vector) -> Vector:
    """BᵀB x"""
    return term.adjoint(term.forward(x, vectors.empty(term.shape, x)), vectors.empty(x.shape, x))


def weighted(f: Any, x: Vector, out: Vector) -> Vector:
    """W^½ A x"""
    f.weigh(f.A.forward(x, out))
    return out


def pulled(f: Any, r: Vector, out: Vector) -> Vector:
    """Aᵀ W^½ r"""
    return f.adjoint_of_residual(r, out=out)


def assigned(x: Vector, out: Vector) -> Vector:
    vectors.assign(out, x)
    return out
