"""The primal-dual hybrid gradient method, PDHG, on  f(x) + R(x),  f(x) = φ(A x),  R(x) = g(K x):

    u⁺ = prox_{σ φ*}(u + σ A x);   q⁺ = prox_{σ' g*}(q + σ' K x);
    x ← P(x − τ (Aᵀ(2u⁺ − u) + Kᵀ(2q⁺ − q)))

Chambolle and Pock, J. Math. Imaging Vis. 40 (2011) 120, in the order of Condat, J. Optim. Theory
Appl. 158 (2013) 460, algorithm 3.2.  A term without a closed proximal map enters by its gradient
(Vũ 2013).  The method converges for any s, t > 0 with  σ = s r,  ‖r^½ A‖ ≤ 1,  σ' = t/‖K‖²  and
1/τ = s + t + (more than half the Lipschitz bound of the gradients);  r is diagonal if A ≥ 0 (Pock
and Chambolle, ICCV 2011).  The primal-dual gap of the mean of k iterates is at most
(‖x*‖²/τ + ‖u*‖²/σ + ‖q*‖²/σ') / 2k,  which is least for  s = ‖A‖ ‖u*‖/‖x*‖,  t = ‖K‖ ‖q*‖/‖x*‖.
For a prior min_v g(K (x, v)) the step of v is 1/t:  s ‖x‖² + t ‖(x, v)‖² bounds both terms.
So s and t are adapted to the norms of the iterates, of an infimal prior to what they have moved
since the last time (as the primal weight of Applegate, Díaz, Hinder, Lu, Lubin, O'Donoghue and
Schudy, NeurIPS 2021), but not after iteration 1024: from there the proof for constant steps holds
(for adaptive ones Goldstein, Li and Yuan, NIPS 2015)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from physrecon.arrays import vectors
from physrecon.arrays.vectors import Axis, Numbers, Vector
from physrecon.priors.base import per_leaf
from physrecon.problem import Problem
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
    step_x,
)

BALANCE_AT = 2 ** np.arange(3, 11)  # iterations of a slice after which its rates are adapted
# Factor of the s and t above; measured.  Early iterates have the norm of x*, but not its detail.
EMPHASIS = 6.0
MOVED_EMPHASIS = 3.0  # the same for what has moved
# Bounds and start of the rate s, in units of ‖A‖² φ'', the 1/τ of gradient descent.  A larger s
# makes the steps smaller and no better; a tiny s does not benefit from the curvature of φ*.
LEAST, FIRST, MOST = 0.002, 0.05, 1.0


class Dual(NamedTuple):
    """A term φ(A x) or g(K x).

    axis: slice axis of the operator's range.  norms: bounds of the operator's norm, one per slice.
    diagonal: r, None for 1/norms².  prox: the proximal map of φ* or g*.  infimal: whether the
    operator takes (x, v)."""

    operator: Any
    axis: Axis
    norms: Numbers
    diagonal: Vector | None
    prox: ProximalMap
    infimal: bool = False

    def ascend(self, u: Vector, image: Vector, rate: Numbers, active: Any) -> Numbers:
        """image ← u⁺ = prox(u + σ image), u ← 2u⁺ − u in the active slices; return ‖2u⁺ − u‖²."""
        one, shape = np.ones(len(rate)), self.operator.out_shape
        steps = ratio(rate, self.norms**2) if self.diagonal is None else rate
        sigma = vectors.per_slice_broadcast(steps, shape, self.axis)
        if self.diagonal is not None:
            vectors.multiply(image, self.diagonal)
            each = iter(per_leaf(sigma, image))
            sigma = vectors.transform(lambda r: r * next(each), self.diagonal)
        vectors.scale_add(image, steps, one, u, self.axis, active)
        self.prox(image, sigma)
        return vectors.scale_add(u, -one, 2 * one, image, self.axis, active)


@dataclass
class PDHGState(State):
    """u: the dual variables.  images: A x, K x.  gradient: of the terms used by it, () for none.
    v: that of an infimal prior, else ().

    past: x and u when the rates of an infimal prior were last adapted, else ().
    rates: s and t, (duals, slices).  lengths: ‖2u⁺ − u‖², (duals, slices).  Of each slice, natural:
    the rate 1/τ of gradient descent; iterations_in_slice: number of iterations."""

    u: tuple[Vector, ...] = field(metadata=VECTOR)
    images: tuple[Vector, ...] = field(metadata=VECTOR)
    gradient: Vector = field(metadata=VECTOR)
    v: Vector = field(metadata=VECTOR)
    past: tuple[Vector, ...] = field(metadata=VECTOR)
    rates: Numbers
    lengths: Numbers
    natural: Numbers
    iterations_in_slice: Numbers

    @property
    def prior_field(self) -> Vector:
        return self.v


@dataclass(frozen=True)
class PDHG(Solver):
    """Convex likelihoods whose φ* has a closed proximal map, or with a Lipschitz bound; any
    constraint; any prior.

    A prior is used as g(K x) if it is composed, else by its proximal map, else by its gradient.
    Needs certified norms, and no tuning.  Holds x and three more volumes, u twice and A x besides y
    and the memory of the proximal map of φ* (data sets), and three times the range of K; one volume
    more for gradients, and no data set if f is used by its gradient.

    >>> f = pr.LeastSquares(pr.Identity(4), np.array([0.0, 0.2, 4.8, 5.0]))
    >>> problem = pr.Problem(f, pr.TotalVariation(0.2))
    >>> result = pr.solve(problem, pr.PDHG(), stop=pr.Stop(iterations=120))
    >>> result.x.round(2).tolist()  # two levels, each 0.1 nearer to the other
    [0.2, 0.2, 4.8, 4.8]
    """

    iterations = 300
    state_type = PDHGState
    accepts = ("composed", "infimal", "prox", "smooth")
    holds = ArraysHeld(data=7, volumes=4)

    def start(self, problem: Problem, x0: Vector = None) -> PDHGState:
        fields, duals, gradient = initial_fields(problem, x0), self._duals(problem), ()
        x, count = fields["x"], problem.count
        if self._has_gradient(problem):
            gradient = vectors.empty(problem.f.A.in_shape, x)
        natural, bound = natural_rate(problem), self._bound(problem)
        rates = [FIRST * natural] if problem.has_dual else []
        rates += [0.3 * (FIRST * natural + bound)]
        u = tuple(vectors.fill(vectors.empty(d.operator.out_shape, x), 0) for d in duals)
        state = PDHGState(
            **fields,
            u=u,
            past=vectors.copy((x, *u)) if use_of(self, problem) == "infimal" else (),
            images=tuple(vectors.empty(d.operator.out_shape, x) for d in duals),
            gradient=gradient,
            v=problem.prior_field(x) if use_of(self, problem) == "infimal" else (),
            rates=np.reshape(rates[: len(duals)], (len(duals), count)),
            lengths=np.zeros((len(duals), count)),
            natural=natural,
            iterations_in_slice=np.zeros(count),
        )
        self._look(problem, state, duals)
        return state

    def advance(self, problem: Problem, state: PDHGState) -> PDHGState:
        duals, use = self._duals(problem), use_of(self, problem)
        rate = state.rates.sum(axis=0) + self._bound(problem)
        step = 1 / np.where(rate > 0, rate, 1)  # any step if the direction is 0
        direction, gap = self._pull(problem, state, duals)
        if use == "infimal":
            self._step_field(problem, state, duals[-1])
        if use == "prox":
            one = np.ones(len(step))
            vectors.scale_add(direction, -step, one, state.x, problem.axis, state.active)
            prox = proximal_map(problem, use)
            prox(direction, vectors.per_slice_broadcast(step, problem.f.A.in_shape, problem.axis))  # type: ignore[misc]
            assign_x(problem, state, direction)
        else:
            step_x(problem, state, -step, direction)
        note_standstill(state, gap)
        state.iterations_in_slice = state.iterations_in_slice + state.active
        self._look(problem, state, duals)
        self._balance(problem, state, duals)
        return state

    def _duals(self, problem: Problem) -> list[Dual]:
        f, duals = problem.f, []
        if problem.has_dual:
            norms, diagonal = problem.data_norms, problem.data_diagonal
            duals = [Dual(f.A, problem.data_axis, norms, diagonal, f.conjugate_prox)]
        if use_of(self, problem) in ("composed", "infimal"):
            prox = problem.prior.conjugate_prox  # type: ignore[union-attr]
            duals += [
                Dual(
                    problem.prior_operator,
                    problem.prior_operator_axis,
                    problem.prior_operator_norms,
                    None,
                    prox,
                    use_of(self, problem) == "infimal",
                )
            ]
        return duals

    def _has_gradient(self, problem: Problem) -> bool:
        return not problem.has_dual or use_of(self, problem) == "smooth"

    def _bound(self, problem: Problem) -> Numbers:
        """The part of 1/τ for the gradients: more than half of their Lipschitz bound."""
        bound = np.zeros(problem.count) if problem.has_dual else problem.data_lipschitz
        if use_of(self, problem) == "smooth":
            bound = bound + problem.prior.lipschitz(problem.f.A.in_shape)  # type: ignore[union-attr]
        return 0.55 * bound

    def _pull(
        self, problem: Problem, state: PDHGState, duals: list[Dual]
    ) -> tuple[Vector, Numbers]:
        """u ← u⁺; return ∇ + Σ Aᵀ(2u⁺ − u) in scratch memory, and how far the duals moved."""
        pulls = [state.gradient] if self._has_gradient(problem) else []
        gap, lengths = np.zeros(problem.count), state.lengths.copy()
        for i, (dual, u, image) in enumerate(zip(duals, state.u, state.images, strict=True)):
            length = dual.ascend(u, image, state.rates[i], state.active)
            memory = state.scratch(f"pull {i}", dual.operator.in_shape)
            pull = dual.operator.adjoint(u, memory)
            pulls.append(pull[0] if dual.infimal else pull)
            vectors.assign(u, image, dual.axis, state.active)
            still = length == state.lengths[i]
            gap = np.maximum(gap, np.where(still, 0, abs(1 - np.sqrt(ratio(lengths[i], length)))))
            lengths[i] = np.where(state.active, length, lengths[i])
        state.lengths = lengths
        for other in pulls[1:]:
            vectors.add(pulls[0], other)
        return pulls[0], gap

    def _step_field(self, problem: Problem, state: PDHGState, dual: Dual) -> None:
        """v ← v − Kᵀ(2q⁺ − q) / t, with the product that `_pull` left in scratch memory."""
        at = len(state.u) - 1
        pull = state.scratch(f"pull {at}", dual.operator.in_shape)[1]
        one, axis = np.ones(problem.count), problem.prior_field_axis
        vectors.scale_add(state.v, one, -ratio(1, state.rates[at]), pull, axis, state.active)

    def _look(self, problem: Problem, state: PDHGState, duals: list[Dual]) -> None:
        """Evaluate A x, K x, f and the gradients at x, in all slices, for the next step."""
        f, x = problem.f, state.x
        for dual, image in zip(duals, state.images, strict=True):
            dual.operator.forward((x, state.v) if dual.infimal else x, image)
        if problem.has_dual:
            values = f.data_values(state.images[0])
            vectors.fill(state.gradient, 0)
        else:
            _, values = f.gradient_and_free_values(x, state.gradient)
        state.value = None if values is None else problem.gather(values)
        if use_of(self, problem) == "smooth":
            problem.prior.values_and_gradient(x, problem.axis, state.gradient)  # type: ignore[union-attr]

    def _lengths(
        self, problem: Problem, state: PDHGState, duals: list[Dual], due: Any
    ) -> tuple[float, list[Numbers]]:
        """The factor, and the squares of ‖x*‖ and of the norms of the dual variables."""
        vs, axes = (state.x, *state.u), (problem.axis, *(dual.axis for dual in duals))
        if not state.past:
            return EMPHASIS, [vectors.dots(v, v, axis) for v, axis in zip(vs, axes, strict=True)]
        moved = []
        for v, last, axis in zip(vs, state.past, axes, strict=True):
            moved.append(vectors.distances(v, last, axis))
            vectors.assign(last, v, axis, due)
        return MOVED_EMPHASIS, moved

    def _balance(self, problem: Problem, state: PDHGState, duals: list[Dual]) -> None:
        """Move the rates halfway to their ideal values, on a logarithmic scale."""
        due = state.active & np.isin(state.iterations_in_slice, BALANCE_AT)
        if not due.any():
            return
        factor, (size, *lengths) = self._lengths(problem, state, duals, due)
        rates = state.rates.copy()
        for i, (dual, length) in enumerate(zip(duals, lengths, strict=True)):
            wanted = factor * dual.norms * np.sqrt(ratio(length, size))
            known = due & (wanted > 0) & np.isfinite(wanted)
            rates[i] = np.where(known, np.sqrt(rates[i] * np.where(known, wanted, 1)), rates[i])
        if problem.has_dual:
            rates[0] = np.clip(rates[0], LEAST * state.natural, MOST * state.natural)
        state.rates = rates


def natural_rate(problem: Problem) -> Numbers:
    """‖A‖² times a typical φ'' of each slice: 1/τ of gradient descent on f; 0 if f has no dual."""
    if not problem.has_dual:
        return np.zeros(problem.count)
    return problem.data_norms**2 * typical_curvature(problem)
