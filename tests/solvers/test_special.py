"""What every solver must do, for those that need problems of their own or end elsewhere than
least squares: row action, ordered subsets, counts, draws."""

from __future__ import annotations

import itertools
from dataclasses import fields

import numpy as np
import pytest
import zoo
from naive import same
from tiers import draws

import physrecon as pr
from physrecon.arrays import vectors
from physrecon.errors import ArgumentError

CASES = [
    pr.Kaczmarz(),
    pr.Kaczmarz(1.5, order="random", seed=3),
    pr.Landweber(preconditioner="jacobi"),
    pr.MLEM(),
    pr.OSEM(),
    pr.OSEM(2, order="sequential"),
    pr.RichardsonLucy(),
    pr.RichardsonLucy(accelerate=False),
    pr.SAGA(),
    pr.SAGA(2, seed=1),
    pr.SART(),
    pr.SART(3, 0.5, order="random"),
]
every_case = pytest.mark.parametrize("solver", CASES, ids=repr)


def problem(solver, nz=None, dtype=np.float64, part=slice(None), noise=0.1):
    """An easy problem of non-negative entries: 4 views of 3 data, 6 unknowns a slice."""
    rng = np.random.default_rng(0)
    blocks = np.eye(12)[:, :6] + rng.uniform(0.01, 0.8, (nz or 1, 1, 1)) * rng.uniform(
        size=(nz or 1, 12, 6)
    )
    A = zoo.SliceWise(blocks.reshape(-1, 4, 3, 6), (2, 3))
    y = A @ rng.uniform(0.2, 3, A.in_shape) + noise * zoo.data_for(A)
    if nz is None:
        A, y = zoo.Dense(blocks[0], (2, 3), (4, 3)), y[:, 0]
        return zoo.problem_for(solver, A, y.astype(dtype))
    return zoo.problem_for(solver, A.slab(part), y[:, part].astype(dtype))


@every_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_volume_has_the_dtype_of_the_data_and_x0_is_left_alone(solver, dtype):
    x0 = np.full((2, 3), 0.5, np.float64)
    result = pr.solve(problem(solver, dtype=dtype), solver, x0, pr.Stop(iterations=3))
    assert result.x.dtype == dtype
    assert (x0 == 0.5).all()
    assert all(
        leaf.dtype == dtype
        for field in fields(result.state)
        if field.metadata.get("vector")
        for leaf in vectors.leaves(getattr(result.state, field.name))
    )


@every_case
def test_iterate_gives_the_states_of_solve(solver):
    last = list(itertools.islice(pr.iterate(problem(solver, nz=3), solver), 5))[-1]
    result = pr.solve(problem(solver, nz=3), solver, stop=pr.Stop(iterations=5))
    assert last.iteration == 5
    np.testing.assert_array_equal(last.x, result.x)


@every_case
def test_history_tells_the_change_of_x_and_its_value(solver):
    one = problem(solver)
    result = pr.solve(one, solver, stop=pr.Stop(iterations=5))
    before = pr.solve(one, solver, stop=pr.Stop(iterations=4)).x
    change = np.linalg.norm(result.x - before) / np.linalg.norm(result.x)
    assert [record.iteration for record in result.history] == [1, 2, 3, 4, 5]
    assert result.history[-1].change == pytest.approx(change, rel=1e-6)
    value = result.history[-1].value
    assert np.isnan(value) or value == pytest.approx(one.f.value(result.x), rel=1e-8)


@every_case
def test_discrepancy_stops_where_the_data_are_fitted(solver):
    one = problem(solver, noise=0)
    norm = 0.03 * np.sqrt(2 * one.f.value(np.full((2, 3), 1e-3)))
    result = pr.solve(one, solver, stop=pr.Stop(discrepancy=norm))
    before = pr.solve(one, solver, stop=pr.Stop(iterations=result.iterations - 1)).x
    assert result.reason.startswith("fitted")
    assert np.sqrt(2 * one.f.value(result.x)) <= norm < np.sqrt(2 * one.f.value(before))


@every_case
@pytest.mark.parametrize("cut", [1, 3])
@pytest.mark.parametrize("rule", ["rtol", "discrepancy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_volume_does_not_depend_on_the_slabs(solver, cut, rule, dtype):
    nz = 7
    start = problem(solver, nz, dtype).f.values(np.ones((nz, 2, 3), dtype))
    norms = np.sqrt(2 * start) * np.geomspace(0.9, 0.1, nz)

    def solve(part):
        stop = pr.Stop(30, rtol=1e-2) if rule == "rtol" else pr.Stop(30, discrepancy=norms[part])
        return pr.solve(problem(solver, nz, dtype, part), solver, stop=stop)

    whole = solve(slice(None))
    slabs = [solve(slice(z, z + cut)) for z in range(0, nz, cut)]
    np.testing.assert_array_equal(whole.x, np.concatenate([slab.x for slab in slabs]))
    assert whole.iterations == max(slab.iterations for slab in slabs)
    if rule == "discrepancy":  # they stopped one by one
        assert len({record.active for record in whole.history}) > 1


@every_case
def test_slabs_of_projections_give_the_bytes_of_the_volume(solver):
    nz, views = 5, 11
    truth = np.random.default_rng(0).uniform(size=(nz, 15, 15)).astype(np.float32)

    def projector(rows):
        return pr.Projector(
            pr.ParallelBeam(np.arange(views) * 16.0, (rows, 15), angle_unit="deg", center=6.7)
        )

    y = projector(nz) @ truth

    def solve(part):
        some = zoo.problem_for(solver, projector(y[:, part].shape[1]), y[:, part])
        return pr.solve(some, solver, stop=pr.Stop(4, rtol=0.15))

    whole = solve(slice(None))
    slabs = [solve(slice(z, z + 2)) for z in range(0, nz, 2)]
    np.testing.assert_array_equal(whole.x, np.concatenate([slab.x for slab in slabs]))


@every_case
def test_a_resumed_run_is_the_uninterrupted_one(solver, tmp_path):
    whole = pr.solve(problem(solver, 5, np.float32), solver, stop=pr.Stop(60, rtol=1e-3))
    stopped = [record.iteration for record in whole.history if record.active < 5]
    first = stopped[0] if stopped else 3
    part = pr.solve(problem(solver, 5, np.float32), solver, stop=pr.Stop(first, rtol=1e-3))
    kept = part.x.copy()
    pr.save_state(tmp_path / "state.h5", part.state)
    state = pr.load_state(tmp_path / "state.h5")
    for field in fields(state):
        assert same(getattr(state, field.name), getattr(part.state, field.name)), field.name
    rest = pr.solve(
        problem(solver, 5, np.float32), solver, stop=pr.Stop(60, rtol=1e-3), state=state
    )
    np.testing.assert_array_equal(rest.x, whole.x)
    assert (rest.iterations, rest.reason) == (whole.iterations, whole.reason)
    still = ~part.state.active
    np.testing.assert_array_equal(rest.x[still], kept[still])


@every_case
def test_a_stricter_rule_sets_stopped_slices_moving_exactly_where_they_stood(solver):
    """For those whose steps do not depend on the number of the iteration."""
    if solver.name == "saga" or getattr(solver, "order", "") == "random":
        return
    loose = pr.solve(problem(solver, nz=5), solver, stop=pr.Stop(200, rtol=2e-2))
    alone = [
        pr.solve(problem(solver, 5, part=slice(z, z + 1)), solver, stop=pr.Stop(200, rtol=2e-2))
        for z in range(5)
    ]
    assert len({one.iterations for one in alone}) > 1
    strict = pr.solve(
        problem(solver, nz=5),
        solver,
        stop=pr.Stop(loose.iterations + 20, rtol=0),
        state=loose.state,
    )
    for z, one in enumerate(alone):
        direct = pr.solve(
            problem(solver, 5, part=slice(z, z + 1)),
            solver,
            stop=pr.Stop(one.iterations + 20, rtol=0),
        )
        np.testing.assert_array_equal(strict.x[z], direct.x[0])


@draws
@every_case
def test_small_random_problems_never_diverge(solver, count):
    rng = np.random.default_rng(7)
    for _ in range(count):
        m, n = rng.integers(1, 9, 2)
        scale = 10 ** rng.uniform(-3, 3)
        A = zoo.Dense(rng.uniform(0, scale, (m, n)) * (rng.uniform(size=(m, n)) < 0.7))
        y = rng.standard_normal(m).astype(np.float32)
        y[A.M.sum(1) == 0] = 0  # no count can come from nowhere
        one = zoo.problem_for(solver, A, y)
        result = pr.solve(one, solver, stop=pr.Stop(iterations=8))
        assert "diverged" not in result.reason
        assert np.isfinite(result.x).all()
        if solver.name in ("landweber", "saga"):
            assert one.f.value(result.x) <= one.f.value(np.zeros(n)) * (1 + 1e-5)
        if solver.name in ("mlem", "osem"):
            seen = A.M.sum(0) > 0
            assert (result.x >= 0).all()
            assert (result.x <= most_counts(solver, A.M, abs(y)) * 1.0001)[seen].all()


def most_counts(solver, M, y):
    """What the counts of any subset that sees a voxel would give it alone, and the start, 1."""
    count = 1 if solver.name == "mlem" else min(solver.subsets, len(y))
    most = np.ones(M.shape[1])
    for s in range(count):
        sums = M[s::count].sum(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            most = np.maximum(most, np.where(sums > 0, y[s::count].sum() / sums, 0))
    return most


@every_case
def test_rays_and_voxels_of_weight_zero_stay_as_they_are(solver):
    A = zoo.with_empty_rows()
    y = zoo.data_for(A)
    y[A.M.sum(1).reshape(y.shape) == 0] = 0
    result = pr.solve(zoo.problem_for(solver, A, y), solver, stop=pr.Stop(iterations=30))
    assert np.isfinite(result.x).all()
    assert result.x.ravel()[[3, 11]].tolist() == [0, 0]
    x0 = np.full(A.in_shape, 0.25)
    result = pr.solve(zoo.problem_for(solver, A, y), solver, x0, pr.Stop(iterations=30))
    assert result.x.ravel()[[3, 11]].tolist() == [0.25, 0.25]


@every_case
def test_an_operator_of_zeros_is_solved_by_the_start(solver):
    x0 = np.arange(3.0)
    y = np.zeros(4) if solver.counts_only else np.ones(4)
    one = zoo.problem_for(solver, zoo.Dense(np.zeros((4, 3))), y)
    result = pr.solve(one, solver, x0)
    assert result.x.tolist() == x0.tolist()
    assert result.reason.startswith("converged after 1")


@every_case
def test_nothing_to_do(solver):
    A = zoo.unlike(0)
    result = pr.solve(zoo.problem_for(solver, A, zoo.data_for(A)), solver)
    assert result.x.shape == (0, 2, 3)
    assert result.reason == "nothing to do: there are no slices"
    empty = zoo.Dense(np.zeros((0, 6)))
    result = pr.solve(zoo.problem_for(solver, empty, np.zeros(0)), solver)
    assert result.x.tolist() == [0] * 6


@every_case
@pytest.mark.parametrize("x0", [np.zeros((3, 2)), np.full((2, 3), np.nan), np.zeros((2, 3), int)])
def test_x0_that_does_not_fit_is_refused(solver, x0):
    with pytest.raises(ArgumentError):
        pr.solve(problem(solver), solver, x0)


@every_case
def test_starts_inside_the_constraint_and_stays_there(solver):
    one = problem(solver)
    boxed = pr.Problem(one.f, constraint=pr.Box(0.75, 1.5))
    states = itertools.islice(pr.iterate(boxed, solver, np.full((2, 3), 9.0)), 6)
    for state in states:
        assert ((state.x >= 0.75) & (state.x <= 1.5)).all()
    assert ((state.x == 0.75) | (state.x == 1.5)).any()


@pytest.mark.parametrize(
    "make",
    [
        lambda: pr.SART(0),
        lambda: pr.SART(2.5),
        lambda: pr.SART(True),
        lambda: pr.SART(relaxation=0),
        lambda: pr.SART(relaxation=2),
        lambda: pr.SART(order="any"),
        lambda: pr.SART(seed=-1),
        lambda: pr.Kaczmarz(relaxation=float("nan")),
        lambda: pr.Kaczmarz(order=None),
        lambda: pr.Kaczmarz(seed=0.5),
        lambda: pr.OSEM(-3),
        lambda: pr.OSEM(order="?"),
        lambda: pr.SAGA("all"),
        lambda: pr.SAGA(seed="now"),
        lambda: pr.Landweber(preconditioner="D"),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(ArgumentError):
        make()


@pytest.mark.parametrize("solver", [pr.SART(), pr.Kaczmarz(), pr.SAGA(), pr.OSEM()], ids=repr)
def test_data_without_views_are_refused(solver):
    tower = zoo.tower()
    y = tuple(abs(part) for part in zoo.data_for(tower))
    f = pr.PoissonLikelihood if solver.name == "osem" else pr.LeastSquares
    with pytest.raises(ArgumentError, match=r"expected data \(views"):
        pr.solve(pr.Problem(f(tower, y)), solver)
    bent = f(A := zoo.bent(), zoo.counts_for(A))
    with pytest.raises(ArgumentError, match=r"linear|negative"):
        pr.solve(pr.Problem(bent), solver)
