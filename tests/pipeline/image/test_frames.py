"""Every frame on its own; nothing is lost when a run is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from blurred_images import blurred, command, make, read, scene
from interruption import StopAfter
from listing import files
from PIL import Image as Photo

from physrecon.errors import Interrupted, OutputError
from physrecon.io import open_image, write_image
from physrecon.pipeline.messages import Progress
from physrecon.pipeline.run import run


def test_every_frame_is_worked_on_alone(series):
    assert command("--iterations", "3") == 0
    write_image("one.tif", series[1, 1], "YX")
    assert command("--iterations", "3", image="one.tif", output="one_o.tif") == 0
    assert read("o.tif").shape == series.shape
    assert np.array_equal(read("o.tif")[1, 1], read("one_o.tif"))
    assert command("--iterations", "3", "--frames", "1:3", output="some.h5") == 0
    assert np.array_equal(read("some.h5"), read("o.tif")[1:3])
    assert command("--frames", "2:9", output="x.tif") == 64


def test_the_channels_of_a_photo_are_frames(here):
    colours = np.stack([blurred(scene(seed=s)).clip(0, 2000) / 8 for s in range(3)], -1)
    Photo.fromarray(colours.astype(np.uint8)).save("i.png")
    assert command("--iterations", "2", image="i.png", psf="gaussian:sigma=1.5") == 0
    with open_image("o.tif") as made:
        assert (made.axes, made.shape) == ("CYX", (3, 40, 40))


@pytest.mark.parametrize("output", ["o.tif", "o.h5"])
def test_a_stopped_series_goes_on_and_gives_the_same_bytes(output, series, here):
    job = make(output=output, stop={"iterations": 3})
    with pytest.raises(Interrupted, match="4 of 6 frames are kept"):
        run(job, StopAfter(4))
    assert not Path(output).exists()
    (here / f"{output}.frames/00001.h5").write_bytes(b"damaged")
    rest = StopAfter(99)
    run(job, rest)
    assert rest.done == 3
    whole = Path(output).read_bytes()
    assert not Path(f"{output}.frames").exists()
    run(job.model_copy(update={"overwrite": True}))
    assert Path(output).read_bytes() == whole


def test_frames_of_another_job_are_not_mixed_in(series, here):
    with pytest.raises(Interrupted):
        run(make(stop={"iterations": 3}), StopAfter(2))
    with pytest.raises(OutputError, match="another job"):
        run(make(stop={"iterations": 4}))
    os.utime("i.tif", (1, 1))
    with pytest.raises(OutputError, match="another job"):
        run(make(stop={"iterations": 3}))
    run(make(stop={"iterations": 3}, overwrite=True))


@pytest.mark.thorough
def test_a_kill_loses_nothing_that_is_finished(series, here):
    argv = [sys.executable, "-m", "physrecon.cli.main", "deconvolve", "i.tif", "--psf", "p.tif"]
    argv += ["-o", "o.tif", "--iterations", "300"]
    running = subprocess.Popen(argv, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (here / "o.tif.frames/00000.h5").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (here / "o.tif").exists()
    report = StopAfter(99)
    run(make(stop={"iterations": 300}), report)
    assert report.done >= 1
    whole = (here / "o.tif").read_bytes()
    run(make(stop={"iterations": 300}, overwrite=True))
    assert (here / "o.tif").read_bytes() == whole
    assert files(here) == {"i.tif", "p.tif", "o.tif"}


def test_a_terminated_program_says_how_to_go_on(series, monkeypatch, capsys):
    advance = Progress.advance

    def terminated(self, *args):
        advance(self, *args)
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "advance", terminated)
        assert command("--iterations", "2") == 75
    assert "1 of 6 frames are kept; run the same command again" in capsys.readouterr().err
    assert command("--iterations", "2") == 0
