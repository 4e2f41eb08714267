"""A state in a file is the state: resumed elsewhere, the run ends with the same bytes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zoo
from naive import same

import physrecon as pr
from physrecon.pipeline import checkpoint
from physrecon.solvers import State

HERE = Path(__file__).parent

ELSEWHERE = """
import sys
import numpy as np
import physrecon as pr
sys.path[:0] = [sys.argv[1], f"{sys.argv[1]}/.."]
import zoo
from test_checkpoint import STOP, problem
for solver in zoo.ALL_SOLVERS:
    state = pr.load_state(f"{sys.argv[2]}/{solver.name}.h5")
    result = pr.solve(problem(solver), solver, stop=STOP, state=state)
    np.save(f"{sys.argv[2]}/{solver.name}.npy", result.x)
"""
STOP = pr.Stop(iterations=40, rtol=1e-3)


def problem(solver: Any = None) -> pr.Problem:
    A = zoo.unlike(5)
    y = zoo.data_for(A, dtype=np.float32)
    if solver is not None and solver.counts_only:
        return zoo.problem_for(solver, A, y)
    return pr.Problem(pr.LeastSquares(A, y, np.linspace(0.5, 1, 12).reshape(4, 1, 3)))


def tuple_problem() -> pr.Problem:
    A = pr.vstack([zoo.unlike(5), pr.Identity((5, 2, 3))])
    return pr.Problem(pr.LeastSquares(A, zoo.data_for(A)))


@pytest.mark.parametrize("solver", zoo.SOLVERS)
@pytest.mark.parametrize("make", [problem, tuple_problem])
def test_what_is_loaded_is_what_was_saved(tmp_path, solver, make):
    state = pr.solve(make(), solver, stop=pr.Stop(iterations=3)).state
    pr.save_state(tmp_path / "state.h5", state)
    loaded = pr.load_state(str(tmp_path / "state.h5"))
    assert type(loaded) is type(state)
    for field in fields(state):
        assert same(getattr(loaded, field.name), getattr(state, field.name)), field.name
    assert [path.name for path in tmp_path.iterdir()] == ["state.h5"]


def test_a_run_resumed_in_another_process_ends_with_the_same_bytes(tmp_path):
    for solver in zoo.ALL_SOLVERS:
        result = pr.solve(problem(solver), solver, stop=pr.Stop(iterations=4, rtol=STOP.rtol))
        pr.save_state(tmp_path / f"{solver.name}.h5", result.state)
    command = [sys.executable, "-c", ELSEWHERE, str(HERE), str(tmp_path)]
    subprocess.run(command, check=True, timeout=120)
    for solver in zoo.ALL_SOLVERS:
        whole = pr.solve(problem(solver), solver, stop=STOP)
        assert whole.iterations > 4
        assert np.load(tmp_path / f"{solver.name}.npy").tobytes() == whole.x.tobytes()


def test_a_value_that_is_not_known_stays_unknown(tmp_path):
    A = zoo.FastNormal(zoo.signed().M)
    f = pr.LeastSquares(A, zoo.data_for(A))
    state = next(pr.iterate(pr.Problem(f), pr.ConjugateGradient()))
    pr.save_state(tmp_path / "state.h5", state)
    assert state.value is None
    assert pr.load_state(tmp_path / "state.h5").value is None


def test_the_state_of_a_solver_of_ones_own(tmp_path):
    @dataclass
    class Mine(State):
        momentum: float

    state = Mine(np.ones(3), 2, np.ones(1), None, np.ones(1, bool), 0.25)
    pr.save_state(tmp_path / "state.h5", state)
    loaded = pr.load_state(tmp_path / "state.h5")
    assert type(loaded) is Mine
    assert (loaded.momentum, loaded.iteration) == (0.25, 2)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "state.h5"
    state = next(pr.iterate(problem(), pr.SIRT()))
    pr.save_state(path, state)
    before = path.read_bytes()
    state.x = object()  # cannot be written
    with pytest.raises(TypeError):
        pr.save_state(path, state)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state.h5"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_lies_beside_a_state_is_left_alone(tmp_path, kind):
    state = next(pr.iterate(problem(), pr.SIRT()))
    part, precious = tmp_path / "state.h5.part", tmp_path / "precious"
    precious.write_text("mine")
    if kind == "file":
        part.write_text("mine")
    else:
        part.symlink_to(precious)
    for _ in range(2):
        pr.save_state(tmp_path / "state.h5", state)
    assert part.read_text() == precious.read_text() == "mine"
    assert part.is_symlink() == (kind == "link")
    assert same(pr.load_state(tmp_path / "state.h5").x, state.x)


def test_two_that_save_one_state_share_no_file(tmp_path, monkeypatch):
    """One saves while another is in the middle of it: either file would be whole."""
    path = tmp_path / "state.h5"
    first, second = (next(pr.iterate(problem(), pr.SIRT())) for _ in range(2))
    second.x = second.x + 1
    write, begun = checkpoint._write, []

    def interleaved(*args):
        if not begun:
            begun.append(True)
            pr.save_state(path, second)
            assert same(pr.load_state(path).x, second.x)
        write(*args)

    monkeypatch.setattr(checkpoint, "_write", interleaved)
    pr.save_state(path, first)
    assert same(pr.load_state(path).x, first.x)
    assert [p.name for p in tmp_path.iterdir()] == ["state.h5"]
