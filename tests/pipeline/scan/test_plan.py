"""What a plan foretells: the room on the disk, and what the run would stumble over."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from discs import CENTER, write_scan

from physrecon.errors import Interrupted
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.messages import NoMessages, Progress
from physrecon.pipeline.run import plan, run


@pytest.fixture
def job(tmp_path) -> ScanJob:
    scan = write_scan(tmp_path / "scan.h5")
    return ScanJob(input=scan, output=tmp_path / "v.h5", center=CENTER, slab_rows=1)


def changed(job: ScanJob, **fields) -> ScanJob:
    return job.model_copy(update=fields)


def warned(job: ScanJob) -> list[str]:
    return plan(job).warnings()


def room(output: Path) -> int:
    slabs = output.with_name(f"{output.name}.slabs").glob("*.h5")
    return sum(file.stat().st_size for file in [output, *slabs])


def test_nothing_to_warn_of(job):
    assert warned(job) == []


@pytest.mark.parametrize("rows", [1, 3])
def test_a_plan_foretells_the_size_of_the_output(job, rows):
    job = changed(job, slab_rows=rows)
    run(job)
    made = plan(changed(job, overwrite=True))
    # a volume this small is a third its own description, which the job's text makes longer
    assert made.output_bytes == pytest.approx(room(job.output), abs=6000)


def test_a_folder_that_is_not_there(job, tmp_path):
    (warning,) = warned(changed(job, output=tmp_path / "no" / "v.h5"))
    assert f"{tmp_path / 'no'} is not there" in warning


def test_an_output_that_exists(job):
    run(job)
    (warning,) = warned(job)
    assert "v.h5: expected a new file" in warning and "--overwrite" in warning
    assert warned(changed(job, overwrite=True)) == []


class Stopping(NoMessages):
    """Presses Ctrl-C when the first slab is finished."""

    @contextmanager
    def progress(self, what: str, total: int, unit: str, done: int = 0) -> Iterator[Progress]:
        def stop(*_):
            raise KeyboardInterrupt

        with super().progress(what, total, unit, done) as progress:
            progress.advance = stop
            yield progress


def test_slabs_that_are_done(job):
    with pytest.raises(Interrupted, match="1 of 3"):
        run(job, Stopping())
    (warning,) = warned(job)
    assert "1 of 3 slabs are there already, kept" in warning
    assert plan(changed(job, slab_rows=None)).pieces == plan(job).pieces
    (warning,) = warned(changed(job, slab_rows=2))
    assert "of no use" in warning and "--overwrite" in warning


def test_a_disk_that_is_too_small(job, monkeypatch):
    needed = plan(job).output_bytes
    for free, count in ((needed + 1, 0), (needed - 1, 1)):
        usage = shutil.disk_usage("/")._replace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        found = warned(job)
        assert len(found) == count
    assert "needs" in found[0] and "are free" in found[0]


def test_lines_name_the_true_size(job):
    made = plan(job)
    assert f"{made.output_bytes / 1000:.1f} kB" in "\n".join(made.lines())
