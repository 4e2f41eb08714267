"""Simulated scans against the statistics of counts."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from physrecon import datasets
from physrecon.datasets import simulate
from physrecon.errors import ArgumentError, DataError, MissingInputError, OutputError, WriteError
from physrecon.geometry.grid import Grid

SMALL = {"shape": (6, 32, 32), "views": 20}


@pytest.mark.parametrize("mean", [0.0, 99.0, 101.0, 400.0])
def test_counts_are_poisson(mean):
    stats = pytest.importorskip("scipy.stats")
    n = 2_000_000
    counts = simulate.poisson(np.full(n, mean, np.float32), np.random.default_rng(5))
    assert (counts == np.rint(counts)).all() and counts.min() >= 0
    assert abs(counts.mean(dtype=np.float64) - mean) <= 5 * np.sqrt(mean / n)
    assert abs(counts.var(dtype=np.float64) - mean) <= 5 * np.sqrt((mean + 2 * mean**2) / n)
    found = np.cumsum(np.bincount(counts.astype(int))) / n
    # Kolmogorov–Smirnov at 1e-6, 0.0019; a rounded normal is off by 0.0033 at a mean of 400.
    assert np.abs(found - stats.poisson.cdf(np.arange(len(found)), mean)).max() < 2.7 / np.sqrt(n)


def test_simulated_scan_is_a_data_exchange_file(tmp_path):
    calls = []
    sim = datasets.simulate_scan(
        tmp_path / "scan.h5", **SMALL, progress=lambda done, total: calls.append((done, total))
    )
    with h5py.File(tmp_path / "scan.h5") as file:
        exchange = file["exchange"]
        assert exchange["data"].shape == (20, 6, 32) and exchange["data"].dtype == np.uint16
        assert exchange["data"].attrs["axes"] == "theta:y:x" and exchange["data"].chunks is None
        assert exchange["data_white"].shape == exchange["data_dark"].shape == (10, 6, 32)
        np.testing.assert_allclose(exchange["theta"], np.arange(20) * 9.0)
        assert exchange["theta"].attrs["units"] == "degrees"
        pixel = file["measurement/instrument/detector/x_pixel_size"]
        assert pixel[()] == 0.01 and pixel.attrs["units"] == "mm"
        assert file["simulation"].attrs["center"] == sim.center == pytest.approx(16.76)
    assert calls[-1] == (40, 40)
    assert datasets.read_simulation(tmp_path / "scan.h5") == sim
    assert [p.name for p in tmp_path.iterdir()] == ["scan.h5"]


@pytest.mark.parametrize("phantom", ["shepp-logan", "ellipsoids", "foam"])
def test_counts_are_those_of_the_object(tmp_path, phantom):
    path = tmp_path / "scan.h5"
    sim = datasets.simulate_scan(path, **SMALL, phantom=phantom, counts=5e4, flats=40, darks=40)
    with h5py.File(path) as file:
        data, white, dark = (
            file["exchange"][name][:].astype(float) for name in ("data", "data_white", "data_dark")
        )
    dead = white.max(axis=0) == 0
    assert (
        dead.sum() == sim.dead_pixels == 5 and not data[:, dead].any() and not dark[:, dead].any()
    )
    white, dark, live = white.mean(axis=0), dark.mean(axis=0), ~dead
    mean = 5e4 * np.exp(-3.0)
    p = -np.log((data - dark)[:, live] / (white - dark)[live])
    exact = sim.object.projections(sim.scan, supersample=2)[:, live]
    assert 2.5 < exact.max() < 3.5
    assert np.abs(p - exact).max() < 6 / np.sqrt(mean)
    assert abs((p - exact).mean()) < 0.002
    # Projecting the truth volume, in 1/mm, gives the same optical depth along y.
    truth = datasets.simulated_truth(path)
    assert truth.shape == sim.shape and truth.min() >= 0
    view = sim.object.projections(sim.scan.with_center(15.5)[0])[0]
    assert np.linalg.norm(truth.sum(axis=1) * 0.01 - view) < 0.03 * np.linalg.norm(view)
    np.testing.assert_array_equal(datasets.simulated_truth(path, slice(1, 3)), truth[1:3])


def test_flats_and_darks_have_structure_and_poisson_noise(tmp_path):
    path = tmp_path / "scan.h5"
    datasets.simulate_scan(
        path, (16, 32, 32), 1, counts=2e4, flats=60, darks=60, dead_pixels=0, pixel_size=None
    )
    with h5py.File(path) as file:
        assert "measurement" not in file
        white, dark = (file[f"exchange/{n}"][:].astype(float) for n in ("data_white", "data_dark"))
    assert datasets.read_simulation(path).grid == Grid((16, 32, 32))
    for frames in (white, dark):
        mean, variance = frames.mean(axis=0), frames.var(axis=0, ddof=1)
        assert (variance / mean).mean() == pytest.approx(1, abs=5 * np.sqrt(2 / 59 / mean.size))
    assert 0.7 < white.mean(axis=0).max() / 2e4 < 1.02
    assert white.mean(axis=0).std() / white.mean() > 0.03
    assert dark.mean() == pytest.approx(50, rel=0.05)


def test_a_seed_gives_the_same_file_whatever_the_blocks(tmp_path, monkeypatch):
    def counts(name, **keywords):
        datasets.simulate_scan(tmp_path / name, **SMALL, **keywords)
        with h5py.File(tmp_path / name) as file:
            return [file[f"exchange/{n}"][:] for n in ("data", "data_white", "data_dark")]

    first, other = counts("a.h5", seed=7), counts("b.h5", seed=8)
    monkeypatch.setattr(simulate, "_BLOCK_BYTES", 3 * 2 * 6 * 32)
    again = counts("c.h5", seed=7)
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, different)
    assert not np.array_equal(first[1][0], first[1][1])


def test_a_finished_scan_is_kept_unless_told(tmp_path):
    path = tmp_path / "scan.h5"
    datasets.simulate_scan(path, **SMALL)
    with pytest.raises(OutputError, match="exists"):
        datasets.simulate_scan(path, **SMALL)
    assert datasets.simulate_scan(path, **SMALL, seed=1, overwrite=True).seed == 1
    assert datasets.read_simulation(path).seed == 1
    with pytest.raises(OutputError, match="no folder"):
        datasets.simulate_scan(tmp_path / "none" / "scan.h5", **SMALL)


@pytest.mark.parametrize(
    ("failure", "raised"), [(OSError("full"), WriteError), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_a_failure_leaves_nothing_behind(tmp_path, failure, raised):
    def fail(done, total):
        raise failure

    with pytest.raises(raised):
        datasets.simulate_scan(tmp_path / "scan.h5", **SMALL, progress=fail)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "bad",
    [
        {"shape": (0, 8, 8)},
        {"shape": (8, 8)},
        {"views": 0},
        {"views": 2.5},
        {"phantom": "cat"},
        {"counts": 0.0},
        {"counts": 1e6},
        {"counts": np.nan},
        {"center": np.inf},
        {"seed": -1},
        {"dead_pixels": 1000},
        {"flats": 0},
        {"darks": 0},
        {"angle_range": np.nan},
        {"pixel_size": 0.0},
        {"depth": -1.0},
    ],
)
def test_what_makes_no_scan_is_refused(tmp_path, bad):
    with pytest.raises(ArgumentError, match=next(iter(bad))):
        datasets.simulate_scan(tmp_path / "scan.h5", **{**SMALL, **bad})
    assert not list(tmp_path.iterdir())


def test_a_scan_without_room_is_refused_before_it_is_begun(tmp_path, monkeypatch):
    nz, _, nx = SMALL["shape"]
    need = 2 * (SMALL["views"] + 20) * nz * nx
    monkeypatch.setattr(simulate, "_write", lambda *_: None)
    for free, refused in ((need - 1, True), (need, False)):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr(simulate.shutil, "disk_usage", lambda _, usage=usage: usage)
        with pytest.raises(OutputError, match="free space") if refused else nullcontext():
            datasets.simulate_scan(tmp_path / f"{free}.h5", **SMALL)
    monkeypatch.setattr(simulate, "available_memory", lambda: 1000)
    with pytest.raises(ArgumentError, match="free memory"):
        datasets.simulate_scan(tmp_path / "memory.h5", **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == [f"{need}.h5"]


def test_only_simulated_scans_have_a_known_truth(tmp_path):
    with pytest.raises(MissingInputError):
        datasets.simulated_truth(tmp_path / "none.h5")
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    with pytest.raises(DataError, match="/simulation"):
        datasets.simulated_truth(tmp_path / "other.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("simulation").attrs["phantom"] = "cat"
    with pytest.raises(DataError, match="not what"):
        datasets.simulated_truth(tmp_path / "other.h5")
