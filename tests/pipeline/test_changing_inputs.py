"""Inputs that change during a run, or between a stop and the next run, never mix in a result."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from blurred_images import INSIDE, PSF, blurred, scene
from discs import CENTER, write_scan

from physrecon.cli.main import main
from physrecon.errors import OutputError, ReadError
from physrecon.io import open_image, open_volume, slabs_done, write_image
from physrecon.jobs.image_job import ImageJob
from physrecon.jobs.scan_job import ScanJob
from physrecon.pipeline.image.task import ImageTask
from physrecon.pipeline.run import run
from physrecon.pipeline.scan.task import ScanTask


def before_piece(monkeypatch, task, number, change) -> None:
    """Call `change` when so many pieces have been made."""
    make, made = task.make, []

    def making(self, footprint, piece, progress):
        if len(made) == number:
            change()
        made.append(piece)
        return make(self, footprint, piece, progress)

    monkeypatch.setattr(task, "make", making)


def after_piece(monkeypatch, task, change) -> None:
    """Call `change` when the first piece is made, and not written yet."""
    make = task.make

    def making(self, *arguments):
        outcome = make(self, *arguments)
        change()
        return outcome

    monkeypatch.setattr(task, "make", making)


def cut(path: str):
    return lambda: os.truncate(path, Path(path).stat().st_size // 2)


def recon(**fields) -> Path:
    values = {"input": "scan.h5", "output": "v.h5", "center": CENTER, "slab_rows": 1, **fields}
    return run(ScanJob.build(values, "test"))


@pytest.mark.parametrize("chunks", [None, (1, 3, 48)])
def test_a_scan_truncated_during_the_run_gives_no_zeros(here, monkeypatch, capsys, chunks):
    write_scan(Path("scan.h5"))
    if chunks:
        with h5py.File("scan.h5", "a") as file:
            data = file["exchange/data"][()]
            del file["exchange/data"]
            file["exchange"].create_dataset("data", data=data, chunks=chunks)
    shutil.copy2("scan.h5", "copy.h5")
    with monkeypatch.context() as patch:
        before_piece(patch, ScanTask, 1, cut("scan.h5"))
        command = ["recon", "scan.h5", "-o", "v.h5", "--center", str(CENTER), "--slab-rows", "1"]
        assert main(command) == ReadError.exit_code == 65
    assert "scan.h5: expected a file that stays as it is" in capsys.readouterr().err
    assert not Path("v.h5").exists() and slabs_done("v.h5") == 1
    shutil.copy2("copy.h5", "scan.h5")
    recon()
    shutil.copy2("copy.h5", "whole.h5")
    recon(input="whole.h5", output="w.h5")
    with open_volume("v.h5") as volume, open_volume("w.h5") as whole:
        assert np.array_equal(volume[:], whole[:])


@pytest.mark.parametrize("rows", [1, 3])
def test_a_scan_that_changed_while_it_was_computed_is_not_published(here, monkeypatch, rows):
    write_scan(Path("scan.h5"))
    after_piece(monkeypatch, ScanTask, cut("scan.h5"))
    with pytest.raises(ReadError, match=r"scan\.h5"):
        recon(slab_rows=rows)
    assert not Path("v.h5").exists() and slabs_done("v.h5") == 0


@pytest.mark.parametrize("name", ["data", "data_white", "data_dark"])
def test_other_values_of_the_same_size_and_time_are_not_mixed_in(here, monkeypatch, name):
    """As after a restored backup: the stopped run has made the first slab."""
    write_scan(Path("scan.h5"))

    def stop():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(Exception, match="1 of 3 slabs are kept"):
        before_piece(patch, ScanTask, 1, stop)
        recon()
    state = os.stat("scan.h5")
    with h5py.File("scan.h5", "a") as file:
        file[f"exchange/{name}"][-1] += 100
    os.utime("scan.h5", ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(OutputError, match="another job or input"):
        recon()
    assert not Path("v.h5").exists() and slabs_done("v.h5") == 1


@pytest.mark.parametrize("name", ["i.tif", "p.tif"])
def test_an_image_or_a_psf_that_changes_during_the_run_ends_it(here, monkeypatch, name):
    frames = np.stack([blurred(scene(seed=t))[INSIDE] for t in range(3)])
    write_image("i.tif", frames, "TYX")
    write_image("p.tif", PSF, "YX")
    job = ImageJob.build(
        {"input": "i.tif", "output": "o.tif", "psf": "p.tif", "method": "wiener"}, "test"
    )
    shutil.copy2(name, "copy.tif")
    with monkeypatch.context() as patch, pytest.raises(ReadError, match=name):
        before_piece(patch, ImageTask, 1, cut(name))
        run(job)
    assert not Path("o.tif").exists()
    assert [path.name for path in Path("o.tif.frames").glob("*.h5")] == ["00000.h5"]
    shutil.copy2("copy.tif", name)
    run(job)
    with open_image("o.tif") as image:
        assert image.shape == frames.shape and np.isfinite(image[...]).all()
