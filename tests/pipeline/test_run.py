"""The one pipeline, the same for a scan and for an image."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from discs import CENTER, write_scan

from physrecon.errors import ArgumentError, Interrupted
from physrecon.io import VolumeWriter, open_image, write_image
from physrecon.io.images.image import Image
from physrecon.io.output.image_sink import ImageSink
from physrecon.io.scans.frames import Frames
from physrecon.jobs.image_job import ImageJob
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.kept_work import KeptWork
from physrecon.pipeline.messages import NoMessages
from physrecon.pipeline.run import open_task, plan, run

TV = {"name": "tv", "weight": 0.01}


def scan_job(**fields) -> ScanJob:
    write_scan("scan.h5")
    return ScanJob.build({"input": "scan.h5", "output": "v.h5", **fields}, "test")


def image_job(**fields) -> ImageJob:
    """Of three frames, whose backgrounds are 20, 40 and 60."""
    y = np.random.default_rng(0).poisson(np.full((3, 40, 40), 20.0))
    y[:, 10:20, 10:30] += 200
    y += 20 * np.arange(3)[:, None, None]
    write_image("i.tif", y.astype("f4"), "TYX", overwrite=True)
    values = {"input": "i.tif", "output": "o.tif", "psf": "gaussian:sigma=1"}
    return ImageJob.build({**values, "stop": {"iterations": 3}, **fields}, "test")


def nothing_kept(task) -> tuple[NoMessages, KeptWork]:
    return NoMessages(), KeptWork(task.job.output, NoMessages())


JOBS = {
    "scan": lambda: scan_job(method="sirt", slab_rows=2),
    "image": image_job,
    "wiener": lambda: image_job(method="wiener", stop={}),
}
RESOLVED = {
    "scan": lambda: scan_job(center=CENTER, width=48, method="fista", prior=TV),
    "outliers": lambda: scan_job(
        center=CENTER, width=48, method="gd", likelihood="huber", outlier=0.1
    ),
    "image": lambda: image_job(background=(20.0, 40.0, 60.0), prior=TV),
}


@pytest.mark.parametrize("make", JOBS.values(), ids=JOBS)
def test_a_plan_is_a_value(make, here):
    planned = plan(make())
    again = pickle.loads(pickle.dumps(planned))
    assert again == planned and again.lines() == planned.lines()
    assert len(again.pieces) == len(again.footprint.pieces) > 1


@pytest.mark.parametrize("make", RESOLVED.values(), ids=RESOLVED)
def test_a_job_in_which_nothing_is_left_to_be_found_reads_nothing(make, here, monkeypatch):
    def refuse(*_):
        raise AssertionError("read")

    with open_task(make()) as task:
        monkeypatch.setattr(Frames, "__getitem__", refuse)
        monkeypatch.setattr(Image, "__getitem__", refuse)
        assert task.resolved(*nothing_kept(task)).job == task.job


def test_what_was_found_is_the_job_of_the_result(here):
    job = image_job(background="auto", method="wiener", stop={}, output="o.h5")
    with open_task(job) as task:
        found = task.resolved(*nothing_kept(task)).job.background
    assert found == pytest.approx((20, 40, 60), abs=4)
    run(job)
    run(job.model_copy(update={"background": found, "output": job.output.with_name("p.h5")}))
    with open_image("o.h5") as auto, open_image("p.h5") as told:
        assert np.array_equal(auto[...], told[...])
    with pytest.raises(ArgumentError, match="each of 3 frames, got 2"):
        plan(image_job(background=(20.0, 40.0)))


@pytest.mark.parametrize(
    "kind, sink, kept",
    [("scan", VolumeWriter, "2 of 2 slabs"), ("image", ImageSink, "3 of 3 frames")],
)
def test_a_run_that_is_stopped_at_its_very_end_keeps_its_pieces(
    kind, sink, kept, here, monkeypatch
):
    def stop(self):
        raise KeyboardInterrupt

    job = JOBS[kind]()
    with monkeypatch.context() as patch, pytest.raises(Interrupted, match=f"{kept} are kept"):
        patch.setattr(sink, "finish_if_complete", stop)
        run(job)
    assert not job.output.exists()
    assert run(job).is_file()
