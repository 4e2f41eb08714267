"""A finished result in another format and in numbers of fewer bits."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from discs import write_scan
from listing import files

import physrecon as pr
from physrecon.cli.main import main
from physrecon.io.made import texts_of
from physrecon.io.viewed import cut, open_viewed


@pytest.fixture
def volume(here):
    write_scan("scan.h5")
    assert main(["recon", "scan.h5", "-o", "v.h5", "--center", "22.3", "--slab-rows", "2"]) == 0
    return "v.h5"


def values(path):
    with open_viewed(path) as viewed:
        return np.stack([cut(viewed, "z", k)[0] for k in range(viewed.shape[0])])


@pytest.mark.parametrize("name", ["o.tif", "o.ome.tif", "o.mrc", "o.h5"])
def test_a_volume_in_16_bits_has_its_values_its_voxels_and_its_making(name, volume, here, capsys):
    assert main(["convert", volume, "-o", name, "--out-dtype", "uint16"]) == 0
    assert f"{name}: uint16, value = " in capsys.readouterr().out
    exact, found = values(volume), values(name)
    assert abs(found - exact).max() <= np.ptp(exact) / 65535 * 0.51
    with open_viewed(volume) as a, open_viewed(name) as b:
        scale = 1e7 if b.unit == "Å" else 1e3 if b.unit != a.unit else 1
        assert b.pitch == pytest.approx([scale * p for p in a.pitch], rel=1e-6)
    was, now = texts_of(volume), texts_of(name)
    kept = {"physrecon", "method"} if name == "o.mrc" else {*was}
    assert {key: now[key] for key in kept} == {key: was[key] for key in kept}


def test_16_bits_of_16_bits_are_those_of_the_values(volume, here):
    assert main(["convert", volume, "-o", "a.tif", "--out-dtype", "uint16"]) == 0
    assert main(["convert", "a.tif", "-o", "b.tif", "--out-dtype", "uint8"]) == 0
    assert main(["convert", "a.tif", "-o", "c.h5"]) == 0  # numbers as they are, values float32
    exact = values(volume)
    assert abs(values("b.tif") - exact).max() <= np.ptp(exact) / 255 * 0.51
    np.testing.assert_array_equal(values("c.h5"), values("a.tif"))
    assert "stored" not in texts_of("c.h5")


def test_a_range_is_kept_and_what_is_clipped_is_said(volume, here, capsys):
    argv = ["convert", volume, "-o", "o.tif", "--out-dtype", "uint8", "--out-range", "0:0.05"]
    assert main(argv) == 0
    assert "are clipped" in capsys.readouterr().err
    np.testing.assert_allclose(
        values("o.tif"), values(volume).clip(0, 0.05), atol=0.05 / 255 * 0.51
    )


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("name", ["o.tif", "o.h5"])
def test_deconvolve_stores_fewer_bits_of_all_its_frames(name, frames, here, capsys):
    rng = np.random.default_rng(3)
    data = rng.random((frames, 24, 25), np.float32) * np.arange(1, frames + 1)[:, None, None]
    pr.write_image("i.h5", data, "TYX")
    argv = ["deconvolve", "i.h5", "--psf", "gaussian:sigma=1", "--iterations", "3", "-o"]
    assert main([*argv, "exact.tif"]) == 0
    capsys.readouterr()
    assert main([*argv, name, "--out-dtype", "uint16"]) == 0
    assert "stored as uint16, value = " in capsys.readouterr().err
    with pr.open_image("exact.tif") as exact, pr.open_image(name) as found:
        assert found.dtype == np.uint16
        stored, expected = found[...], exact[...]
    slope = np.ptp(expected) / 65535
    assert abs(stored * slope + expected.min() - expected).max() <= slope * 0.51
    assert main([*argv, name, "--out-dtype", "uint16"]) == 0
    assert "done already" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv, code, words",
    [
        (["scan.h5", "-o", "o.tif"], 65, "got a raw scan"),
        (["scan.h5", "-o", "o.h5", "--out-dtype", "uint16"], 65, "got a raw scan"),
        (["v.h5", "-o", "o.png"], 64, ".tif, .mrc or .h5"),
        (["v.h5", "-o", "o.tif", "--angles", "0..180/3"], 64, "convert --angles: expected a scan"),
        (["v.h5", "-o", "o.tif", "--out-range", "0:1"], 64, "add --out-dtype"),
        (["v.h5", "-o", "o.tif", "--out-dtype", "float16"], 64, "uint8, uint16 or float32"),
        (["v.h5", "-o", "v.h5", "--overwrite"], 73, "got the same"),
    ],
)
def test_what_does_not_go_together_is_refused(argv, code, words, volume, here, capsys):
    before = files(here)
    assert main(["convert", *argv]) == code
    assert words in capsys.readouterr().err
    assert files(here) == before


def test_fiji_finds_the_scale_as_a_calibration(volume, here):
    assert main(["convert", volume, "-o", "o.tif", "--out-dtype", "uint16"]) == 0
    with tifffile.TiffFile("o.tif") as file:
        stated, stored = file.imagej_metadata, file.asarray()
    assert stated["vunit"].startswith("1/") and stated["cf"] == 0
    exact = values(volume)
    np.testing.assert_allclose(stored * stated["c1"] + stated["c0"], exact, atol=stated["c1"])
