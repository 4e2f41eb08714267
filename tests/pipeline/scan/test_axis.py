"""The search of the axis within a run: what it reads, what it holds, which rows it asks."""

from __future__ import annotations

import tracemalloc

import h5py
import numpy as np
import pytest
from discs import CENTER, COLUMNS, line_integrals, write_scan

from physrecon.io import open_volume
from physrecon.io.scans.frames import Frames
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.pieces import PROGRAM_BYTES
from physrecon.pipeline.run import open_task, plan, run
from physrecon.pipeline.scan.resolve import find_axis


def axis(path, **fields):
    job = ScanJob.build({"input": path, "output": "-", **fields}, "test")
    with open_task(job) as task:
        return find_axis(job, task.scan)


FIELDS = {"data_white": 10_000, "data_dark": 50}


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_search_holds_far_less_than_a_slab(tmp_path, dtype):
    views, wide = 1500, 8 * COLUMNS
    counts = 50 + 9950 * np.exp(-line_integrals(np.arange(views) * 180 / views, 32))
    counts = np.repeat(counts, wide // COLUMNS, axis=2).astype(dtype)
    frames = {name: np.full((4, 32, wide), value, dtype) for name, value in FIELDS.items()}
    scan = write_scan(tmp_path / "s.h5", rows=32, views=views, data=counts, **frames)
    job = ScanJob(input=scan, output=tmp_path / "v.h5", slab_rows=16, overwrite=True)
    planned = plan(job).peak - PROGRAM_BYTES
    axis(scan)  # import first
    tracemalloc.start()
    found = axis(scan)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.column == pytest.approx((CENTER + 0.5) * 8 - 0.5, abs=1)
    row = views * wide
    assert peak < 8 * row * np.dtype(dtype).itemsize + 10 * row * 4, "rows as read, one in float64"
    assert peak < planned / 4


def test_a_part_has_the_axis_of_the_whole(tmp_path):
    # the axis leans: each row by itself would give another column
    angles = np.arange(90) * 2.0
    p = np.concatenate([line_integrals(angles, 1, center=CENTER + 0.2 * r) for r in range(9)], 1)
    data = np.rint(50 + 9950 * np.exp(-p)).astype(np.uint16)
    scan = write_scan(tmp_path / "s.h5", rows=9, data=data)
    assert axis(scan, slices="7:9").column == axis(scan).column
    volumes = []
    for name, fields in {"whole.h5": {}, "part.h5": {"slices": "7:9"}}.items():
        job = ScanJob.build({"input": scan, "output": tmp_path / name, **fields}, "test")
        with open_volume(run(job)) as volume:
            volumes.append(volume[:])
    assert np.array_equal(volumes[1], volumes[0][7:9])


def test_rows_without_a_beam_do_not_keep_the_axis_from_being_found(tmp_path):
    scan = write_scan(tmp_path / "s.h5", rows=8)
    with h5py.File(scan, "a") as file:
        for name in ("data", "data_white"):
            file[f"exchange/{name}"][:, :3] = 50
    assert axis(scan).column == pytest.approx(CENTER, abs=0.3)


@pytest.mark.parametrize("rows", [1, 8, 19])
def test_the_projections_are_read_once(tmp_path, monkeypatch, rows):
    scan = write_scan(tmp_path / "s.h5", rows=rows)
    reads = []
    read = Frames.__getitem__

    def counted(self, key):
        reads.append(len(self))
        return read(self, key)

    job = ScanJob(input=scan, output="-")
    with open_task(job) as task:
        monkeypatch.setattr(Frames, "__getitem__", counted)
        found = find_axis(job, task.scan)
    assert reads.count(90) == 1
    assert found.column == pytest.approx(CENTER, abs=0.3)
