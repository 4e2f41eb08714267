"""A file that is not, byte for byte, a state that was saved is a DataError, whatever it is."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import pytest
import zoo
from naive import same

import physrecon as pr
from physrecon.errors import ArgumentError, DataError, MissingInputError, OutputError
from physrecon.io.sealed_file import HEADER, seal

A = zoo.unlike(2)
TV = pr.TotalVariation(1e-3, axes=(1, 2))
# Arrays alone; tuples of arrays; numbers that are not known.
STATES = {
    "sirt": (pr.SIRT(), None),
    "lbfgs": (pr.LBFGS(), None),
    "admm": (pr.ADMM(), TV),
    "fista": (pr.FISTA(), TV),
}


def problem(prior=None) -> pr.Problem:
    return pr.Problem(pr.LeastSquares(A, zoo.data_for(A, dtype=np.float32)), prior)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, tuple[pr.State, bytes]]:
    path = tmp_path_factory.mktemp("states") / "state.h5"
    found = {}
    for name, (solver, prior) in STATES.items():
        state = pr.solve(problem(prior), solver, stop=pr.Stop(iterations=2)).state
        pr.save_state(path, state)
        found[name] = (state, path.read_bytes())
    return found


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """One byte, or a block, that differs; an end that is missing; a block in another's place."""
    new, size = bytearray(content), len(content)
    at, other = rng.integers(size, size=2)
    length = int(rng.integers(1, 600))
    kind = rng.integers(6)
    if kind <= 1:
        new[at] ^= 1 << rng.integers(8) if kind else int(rng.integers(1, 256))
    elif kind == 2:
        new[at : at + length] = rng.bytes(min(length, size - at))
    elif kind == 3:
        new[at : at + length] = bytes(min(length, size - at))
    elif kind == 4:
        del new[at:]
    else:
        block = new[other : other + length]
        new[at : at + len(block)] = block
    return bytes(new)


@pytest.mark.parametrize("name", STATES)
def test_a_damaged_state_is_refused(tmp_path, saved, name):
    state, content = saved[name]
    path, rng = tmp_path / "state.h5", np.random.default_rng(1)
    for _ in range(100):
        new = damaged(content, rng)
        path.write_bytes(new)
        if new == content:
            loaded = pr.load_state(path)
            assert all(same(getattr(loaded, f.name), getattr(state, f.name)) for f in fields(state))
        else:
            with pytest.raises(DataError):
                pr.load_state(path)


def sealed(path: Path, change) -> Path:
    """A file that no save wrote, with the checksum of one that did."""
    with h5py.File(path, "r+") as file:
        change(file)
    seal(path)
    return path


def replace(name, value):
    def change(file):
        del file[name]
        if value is not None:
            file[name] = value

    return change


def attribute(value):
    return lambda file: file.attrs.create("physrecon_state", value)


def many_chunks(file):
    del file["x"]
    file.create_dataset("x", (10**6, 10**6), "f4", chunks=(1000, 1000), compression="gzip")


CHANGES = {
    "no kind": lambda file: file.attrs.__delitem__("physrecon_state"),
    "unknown kind": attribute(np.bytes_(b"Other")),
    "kind of variable length": attribute("SIRTState"),
    "kind that is a number": attribute(3),
    "no x": replace("x", None),
    "x of text": replace("x", "text"),
    "x of nothing": replace("x", h5py.Empty("f4")),
    "x a type": replace("x", np.dtype("f4")),
    "x a link": replace("x", h5py.ExternalLink("other.h5", "/x")),
    "x a circle": replace("x", h5py.SoftLink("/")),
    "x larger than the memory": many_chunks,
    "x with NaN": lambda file: file["x"].write_direct(np.full(file["x"].shape, np.nan, "f4")),
    "x of whole numbers": replace("x", np.ones((2, 2, 3), int)),
    "half an iteration": replace("iteration", 1.5),
    "iteration that is true": replace("iteration", True),
    "no slices": replace("active", np.ones(3, bool)),
    "active numbers": replace("active", np.ones(2)),
    "no change": replace("change", h5py.Empty("f4")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_save_state_would_not_write_is_refused(tmp_path, saved, name):
    path = tmp_path / "state.h5"
    path.write_bytes(saved["sirt"][1])
    with pytest.raises(DataError):
        pr.load_state(sealed(path, CHANGES[name]))


def test_files_that_are_no_state_are_refused(tmp_path):
    with pytest.raises(MissingInputError):
        pr.load_state(tmp_path / "absent.h5")
    other = tmp_path / "other.h5"
    for content in (b"", b"not HDF5", b"not HDF5" * 100):
        other.write_bytes(content)
        with pytest.raises(DataError, match="its own checksum in front"):
            pr.load_state(other)
    other.write_bytes(bytes(HEADER) + b"not HDF5")
    seal(other)
    with pytest.raises(DataError, match="HDF5"):
        pr.load_state(other)
    with pytest.raises(OutputError, match="nowhere"):
        pr.save_state(tmp_path / "nowhere" / "state.h5", next(pr.iterate(problem(), pr.SIRT())))


@pytest.mark.parametrize("solver", zoo.ALL_SOLVERS, ids=lambda solver: solver.name)
def test_a_state_of_other_data_is_refused(tmp_path, solver):
    """Volumes of the same shape, seen in 3 views and in 4."""
    few, many = (zoo.SliceWise(zoo.random_matrix(2, views, 3, 6), (2, 3)) for views in (3, 4))
    few, many = (zoo.problem_for(solver, B, zoo.counts_for(B)) for B in (few, many))
    state = pr.solve(few, solver, stop=pr.Stop(iterations=1)).state
    pr.save_state(tmp_path / "state.h5", state)
    with pytest.raises(ArgumentError, match="another problem"):
        pr.solve(many, solver, state=pr.load_state(tmp_path / "state.h5"))


def test_other_programs_read_a_state(tmp_path, saved):
    path = tmp_path / "state.h5"
    path.write_bytes(saved["sirt"][1])
    with h5py.File(path) as file:
        assert file.attrs["physrecon_state"] == b"SIRTState"
        assert same(file["x"][()], saved["sirt"][0].x)


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of files there")
def test_the_next_save_removes_what_a_killed_one_left(tmp_path, saved):
    path, state = tmp_path / "state.h5", saved["sirt"][0]
    left = tmp_path / ".state.h5.0123abcd.part"
    left.write_bytes(b"half")
    others = [".state.h5.part", ".other.h5.0123abcd.part", ".state.h5.0123abcde.part"]
    for name in others:
        (tmp_path / name).write_bytes(b"mine")
    pr.save_state(path, state)
    assert {p.name for p in tmp_path.iterdir()} == {"state.h5", *others}
