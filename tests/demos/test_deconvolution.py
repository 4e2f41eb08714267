"""The demo of images: what it writes, and that it shows what it shall."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr
from physrecon.cli.main import main
from physrecon.demos import deconvolution
from physrecon.demos.demo import psnr

FILES = {"truth.tif", "psf.tif", "blurred.tif", "wiener.tif", "rl-tv.tif", "demo.png"}


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(deconvolution, "SHAPE", (12, 56, 60))
    monkeypatch.setattr(deconvolution, "PSF_SHAPE", (9, 15, 15))


def read(path):
    with pr.open_image(path) as image:
        assert image.voxel_size == pytest.approx(deconvolution.VOXEL)
        assert image.length_unit in ("um", "µm")
        return image.read().astype(np.float64)


def test_results_are_nearer_to_the_truth_than_what_was_measured(small, tmp_path, capsys):
    folder = tmp_path / "demo"
    assert main(["demo", "deconvolution", "-o", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == FILES
    truth, blurred, wiener, rl = (
        read(folder / f"{name}.tif") for name in ("truth", "blurred", "wiener", "rl-tv")
    )
    assert truth.shape == blurred.shape == rl.shape == (12, 56, 60)
    before = psnr(blurred - deconvolution.BACKGROUND, truth)
    assert before < psnr(wiener, truth) < psnr(rl, truth) - 1
    assert (blurred == np.rint(blurred)).all()
    # photons are kept but for those that leave the frame
    assert 0.7 * truth.sum() < (blurred - deconvolution.BACKGROUND).sum() < truth.sum()
    said = capsys.readouterr().out
    assert f"{psnr(rl, truth):.2f} dB" in said
    written = {path: path.read_bytes() for path in folder.iterdir()}
    assert main(["demo", "deconvolution", "-o", str(folder)]) == 73
    assert {path: path.read_bytes() for path in folder.iterdir()} == written
    assert main(["demo", "deconvolution", "-o", str(folder), "--overwrite"]) == 0
    again = read(folder / "rl-tv.tif")
    np.testing.assert_array_equal(again, rl)


def test_a_device_that_is_absent_is_seen_before_anything_is_written(small, tmp_path):
    folder = tmp_path / "demo"
    assert main(["demo", "deconvolution", "-o", str(folder), "--device", "cuda"]) == 69
    assert not folder.exists()
