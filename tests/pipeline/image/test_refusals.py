"""What is refused, and what is doubted."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from blurred_images import PSF, blurred, command, error, put, read, scene
from listing import files

from physrecon.io import write_image
from physrecon.psf import gaussian


def holed(array, value, count=3):
    array = np.array(array, np.float64)
    array.ravel()[:count] = value
    return array


FLAT = np.full((20, 20), 7, np.uint8)
BAD = {
    "PSF all NaN": ({"psf": PSF * np.nan}, "", 65, ["p.tif", "NaN", "all of 81"]),
    "PSF some NaN": ({"psf": holed(PSF, np.nan)}, "", 65, ["p.tif", "in 3 of 81"]),
    "PSF zero": ({"psf": PSF * 0}, "", 65, ["p.tif", "zeros"]),
    "PSF of sum zero": ({"psf": PSF - PSF.mean()}, "", 65, ["p.tif", "sum > 0", "--no-normalize"]),
    "PSF negative": ({"psf": holed(PSF, -0.01)}, "", 65, ["3 of 81", "--psf-background"]),
    "PSF elsewhere": ({"psf": holed(np.zeros((99, 99)), 1)}, "--psf-center 60,60", 65,
                      ["within (39, 39)", "(60, 60)", "--psf-center peak"]),
    "PSF of a stack": ({"psf": gaussian((3, 5, 5), 1.0)}, "", 65, ["two dimensions", "one plane"]),
    "PSF of a plane": ({"y": np.stack([blurred(scene())] * 4)}, "", 65, ["--planewise"]),
    "planewise image": ({}, "--planewise", 65, ["stack"]),
    "centre outside": ({}, "--psf-center 9,3", 64, ["(9, 9)", "9,3"]),
    "level above all": ({}, "--psf-background 5", 65, ["background"]),
    "image with NaN": ({"y": holed(blurred(scene()), np.nan)}, "", 65, ["i.tif", "3 of 1600"]),
    "image negative": ({"y": holed(blurred(scene()), -2)}, "", 65,
                       ["3 of 1600", "-2", "--background", "least squares"]),
    "nothing above the background": ({}, "--background 1e6", 65, ["1e+06", "auto"]),
    "image constant": ({"y": FLAT}, "", 65, ["i.tif", "7 in every pixel"]),
    "voxel sizes of three": ({}, "--voxel-size 1,1,1", 64, ["voxel_size", "2"]),
    "memory": ({}, "--memory 1kB", 64, ["memory", "got 1.00 kB"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_a_sentence_and_leaves_nothing(case, here, capsys):
    contents, options, code, words = BAD[case]
    put(**contents)
    before = files(here)
    assert command(*options.split()) == code
    err = capsys.readouterr().err
    assert "Traceback" not in err and "fault of ours" not in err
    for word in words:
        assert word in err
    assert files(here) == before


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        ({"image": "nothing.tif"}, 66, ["nothing.tif"]),
        ({"psf": "nothing.tif"}, 66, ["nothing.tif"]),
        ({"psf": "gausian:sigma=1"}, 64, ["did you mean gaussian"]),
        ({"psf": "notes.txt"}, 65, ["notes.txt"]),
        ({"output": "o.png"}, 64, ["o.png", "o.tif"]),
        ({"output": "o"}, 64, ["o.tif"]),
        ({"output": "old.tif"}, 73, ["exists", "--overwrite"]),
        ({"output": "i.tif"}, 73, ["input"]),
        ({"output": "p.tif"}, 73, ["input"]),
        ({"output": "nowhere/o.tif"}, 73, ["folder"]),
        ({"output": "."}, 73, ["folder"]),
    ],
)
def test_files_that_cannot_be_are_named(arguments, code, words, image, here, capsys):
    (here / "notes.txt").write_text("no image")
    (here / "old.tif").write_text("precious")
    before = {path: path.read_bytes() for path in here.iterdir()}
    assert command(**arguments) == code
    err = capsys.readouterr().err
    for word in words:
        assert word in err
    assert {path: path.read_bytes() for path in here.iterdir()} == before


def test_negative_pixels_are_welcome_where_they_mean_something(here):
    put(y=holed(blurred(scene()), -2))
    assert command("--method", "wiener") == 0


def test_saturation_is_counted(here, capsys):
    y = np.minimum(blurred(scene()) / 3, 255).astype(np.uint8)
    put(y=y)
    assert command("--iterations", "2") == 0
    err = capsys.readouterr().err
    assert f"{(y == 255).sum()} of 1600 pixels are saturated, at 255" in err


def test_a_disc_has_no_tails(image, capsys):
    assert command("--iterations", "2", psf="defocus:radius=0.15") == 0  # 3 pixels
    assert "cut off" not in capsys.readouterr().err


def test_a_background_left_in_the_psf_is_doubted_and_taken_off(image, capsys):
    write_image("p.tif", PSF + 0.1 * PSF.max(), "YX", overwrite=True)
    assert command("--iterations", "20", output="a.tif") == 0
    assert "--psf-background auto" in capsys.readouterr().err
    assert command("--iterations", "20", "--psf-background", "auto") == 0
    assert "cut off" not in capsys.readouterr().err
    assert error(read("o.tif"), image) < error(read("a.tif"), image)


def test_a_device_that_is_absent_is_named_with_its_package(image, here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert command("--device", "cuda") == 69
    assert "pip install" in capsys.readouterr().err
