"""PSF files as other programs write them: used right, or refused with advice that leads there.

The right result is that of the same PSF around its middle, of odd size, without background."""

from __future__ import annotations

import numpy as np
import pytest
from blurred_images import blurred, command, read, scene

from physrecon.io import write_image
from physrecon.psf import gaussian

RIGHT = 1e-3  # relative to the right result


def lopsided(shape) -> np.ndarray:
    """A Gaussian with a fainter one beside it, around n // 2: a flip or a transpose is seen."""
    middle = tuple(n // 2 for n in shape)
    beside = np.roll(gaussian(shape, 1.2), (2, -3)[-len(shape) :], (-2, -1))
    psf = gaussian(shape, 1.4) + 0.4 * beside
    assert np.unravel_index(psf.argmax(), shape) == middle
    return psf / psf.sum()


def ring(n) -> np.ndarray:
    y, x = np.indices((n, n)) - n // 2
    return np.exp(-((np.hypot(y, x) - 4) ** 2))


def sharpened(psf, *options, name="o.tif"):
    """The exit code, and the result if there is one, of an image and a PSF file."""
    write_image("p.tif", psf, "ZYX"[-psf.ndim :], overwrite=True)
    code = command(*options, "--overwrite", output=name)
    return code, read(name) if code == 0 else None


def away(x, right) -> float:
    return float(np.linalg.norm(x - right) / np.linalg.norm(right))


@pytest.fixture
def y(here):
    image = blurred(scene((64, 70)), lopsided((21, 21)))
    write_image("i.tif", image, "YX")
    return image


# FFT order ------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", ["", "--psf-center peak", "--psf-center corner"])
@pytest.mark.parametrize("shape", [(21, 21), (20, 24), (21, 32)])
def test_a_file_in_fft_order_is_used_as_such(shape, options, y, capsys):
    psf = lopsided(shape)
    _, right = sharpened(psf, "--psf-center", ",".join(str(n // 2) for n in shape))
    capsys.readouterr()
    code, x = sharpened(np.fft.ifftshift(psf), *options.split())
    assert code == 0 and "FFT order" in "".join(capsys.readouterr())
    assert away(x, right) < 1e-6


def test_in_fft_order_with_noise_background_and_rounding(y, capsys):
    psf = lopsided((41, 41))
    _, right = sharpened(psf, "--method", "cgls", "--iterations", "5")
    raw = np.fft.ifftshift(1000 * psf / psf.max() + 30)
    code, x = sharpened(raw, "--method", "cgls", "--iterations", "5")
    said = capsys.readouterr().err
    assert code == 0 and "FFT order" in said and "--psf-background auto" in said
    _, x = sharpened(raw, "--psf-background", "auto", "--method", "cgls", "--iterations", "5")
    assert away(x, right) < RIGHT
    noisy = raw + np.random.default_rng(0).normal(0, 2, raw.shape)
    _, x = sharpened(noisy, "--psf-background", "auto", "--method", "cgls", "--iterations", "5")
    assert away(x, right) < 0.1


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2)])
def test_a_stack_in_fft_order(axes, here, capsys):
    psf = gaussian((5, 15, 15), (0.8, 1.3, 1.3))
    write_image("i.tif", blurred(scene((9, 40, 44)), psf), "ZYX")
    _, right = sharpened(psf, "--iterations", "3")
    code, x = sharpened(np.fft.ifftshift(psf, axes), "--iterations", "3")
    assert code == 0 and away(x, right) < 1e-6
    assert "FFT order" in capsys.readouterr().err


AROUND_THE_MIDDLE = {
    "motion": np.pad(np.full((1, 15), 1.0), ((7, 7), (0, 0))),
    "a line of its size": np.full((1, 15), 1.0),
    "box": np.ones((7, 7)),
    "ring to the border": ring(9),
    "two points": np.eye(17)[[3, 13]].sum(0)[None] * np.eye(9)[4][:, None],
    "stripes": np.tile([1.0, 0.0, 0.2], (15, 5)),
    "noise": np.random.default_rng(2).random((31, 31)),
    "three pixels": np.outer([1, 2, 1], [1, 2, 1.0]),
}


@pytest.mark.parametrize("case", AROUND_THE_MIDDLE)
def test_a_psf_around_its_middle_stays_as_it_is(case, y, capsys):
    psf = AROUND_THE_MIDDLE[case]
    code, x = sharpened(psf, "--iterations", "3")
    said = capsys.readouterr().err
    assert code == 0 and "FFT order" not in said
    centre = ",".join(str(n // 2) for n in psf.shape)
    assert np.array_equal(x, sharpened(psf, "--iterations", "3", "--psf-center", centre)[1])


def test_light_in_the_corner_that_may_be_anything_is_refused_and_each_advice_is_right(y, capsys):
    few = ("--iterations", "3")
    hollow = np.fft.ifftshift(ring(21))  # its peak is not in the corner
    assert sharpened(hollow, *few)[0] == 65
    assert "--psf-center corner" in capsys.readouterr().err
    x = sharpened(hollow, *few, "--psf-center", "corner")[1]
    assert away(x, sharpened(ring(21), *few)[1]) < 1e-6

    one_sided = np.zeros((21, 21))
    one_sided[0, :9] = np.exp(-np.arange(9) / 3)  # a detector that decays while it scans
    assert sharpened(one_sided, *few)[0] == 65
    assert "--psf-center 0,0" in capsys.readouterr().err
    x = sharpened(one_sided, *few, "--psf-center", "0,0")[1]
    around = np.roll(np.pad(one_sided, 20), (10, 10), (0, 1))  # 0, 0 is at n // 2 = 30
    assert away(x, sharpened(around, *few, "--psf-center", "30,30")[1]) < RIGHT

    shifted = np.zeros((21, 21))
    shifted[:7, :7] = gaussian((7, 7), 1.0)
    x = sharpened(shifted, *few, "--psf-center", "mass")[1]
    assert away(x, sharpened(gaussian((7, 7), 1.0), *few)[1]) < RIGHT


def test_a_centre_that_is_stated_wins_but_is_doubted(y, capsys):
    code, _ = sharpened(np.fft.ifftshift(lopsided((21, 21))), "--psf-center", "0,0")
    assert code == 0 and "--psf-center corner" in capsys.readouterr().err


@pytest.mark.parametrize("shape", [(21, 21), (20, 24), (21, 32)])
def test_a_psf_around_its_middle_is_not_taken_to_the_corner(shape, y, capsys):
    psf = lopsided(shape)
    assert sharpened(psf, "--psf-center", "corner")[0] == 65
    assert "drop --psf-center corner" in capsys.readouterr().err
    middle = ",".join(str(n // 2) for n in shape)
    x = sharpened(psf)[1]
    assert away(x, sharpened(psf, "--psf-center", middle)[1]) < 1e-6


def test_a_ring_around_its_middle_that_is_said_to_be_in_fft_order_is_doubted(y, capsys):
    code, _ = sharpened(ring(21), "--iterations", "3", "--psf-center", "corner")
    assert code == 0 and "else drop --psf-center corner" in capsys.readouterr().err


# Even sizes -----------------------------------------------------------------------------------


def point(size):
    """A Gaussian sampled around (size − 1)/2: between two pixels if that is even."""
    line = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / 2) ** 2)
    return np.outer(line, line)


def place(x):
    """Where the point source is: the centre of mass around the brightest pixel."""
    i, j = np.unravel_index(x.argmax(), x.shape)
    part = x[i - 3 : i + 4, j - 3 : j + 4]
    return [float((part.sum(1 - a) @ np.arange(-3, 4)) / part.sum()) + (i, j)[a] for a in (0, 1)]


@pytest.mark.parametrize("size", [16, 24])
def test_a_psf_of_even_size_does_not_move_a_point_source(size, here, capsys):
    truth = np.full((64, 64), 1e-3)
    truth[30, 33] = 1e4
    write_image("i.tif", blurred(truth, point(17) / point(17).sum()), "YX")
    few = ("--iterations", "30")
    x = sharpened(point(size), *few)[1]
    said = capsys.readouterr().err
    assert "half a pixel" in said and "its light lies" not in said
    assert place(x) == pytest.approx([30, 33], abs=0.05)
    as_it_is = sharpened(point(size), *few, "--psf-center", f"{size // 2},{size // 2}")[1]
    assert place(as_it_is) == pytest.approx([30.5, 33.5], abs=0.1)
    linear = ("--method", "cgls", "--iterations", "5")
    right = sharpened(point(25), *linear)[1]
    assert away(sharpened(point(24), *linear)[1], right) < RIGHT
    assert away(sharpened(point(24), *linear, "--psf-center", "mass")[1], right) < RIGHT


def test_a_psf_of_even_size_around_its_middle_stays_there(y, capsys):
    code, x = sharpened(lopsided((20, 24)), "--iterations", "3", "--psf-center", "10,12")
    capsys.readouterr()
    assert code == 0 and np.array_equal(x, sharpened(lopsided((20, 24)), "--iterations", "3")[1])
    assert "half a pixel" not in capsys.readouterr().err


def test_a_psf_as_large_as_the_image_is_moved_within_it(here):
    write_image("i.tif", blurred(scene((24, 24)), point(17) / point(17).sum()), "YX")
    assert sharpened(point(24), "--iterations", "3")[0] == 0
    cut = np.roll(point(24), 9, 0) * (np.arange(24) > 8)[:, None]  # light leaves the file
    assert sharpened(cut, "--iterations", "3", "--psf-center", "mass")[0] == 0


# Values ---------------------------------------------------------------------------------------

LINEAR = ("--method", "cgls", "--iterations", "5")


def test_noise_below_zero_is_set_to_zero_and_told(y, capsys):
    psf = lopsided((21, 21))
    right = sharpened(psf, "--iterations", "5")[1]
    capsys.readouterr()
    noisy = psf - 0.008 * psf.max() * (np.random.default_rng(0).random(psf.shape) < 0.05)
    noisy[0, 0] = -0.008 * psf.max()
    code, x = sharpened(noisy, "--iterations", "5")
    said = capsys.readouterr().err
    assert code == 0 and "below 0" in said and "0.008 of the peak" in said
    assert away(x, right) < 0.02
    assert sharpened(psf - 0.05 * psf.max(), "--iterations", "5")[0] == 65  # too much taken off
    assert "--psf-background auto" in capsys.readouterr().err
    code, x = sharpened(psf - 0.05 * psf.max(), "--iterations", "5", "--psf-background", "auto")
    assert code == 0 and away(x, right) < RIGHT


def test_a_faint_background_with_much_of_the_light_is_told(y, capsys):
    psf = lopsided((61, 61))
    right = sharpened(psf, *LINEAR)[1]
    capsys.readouterr()
    raw = psf + 0.005 * psf.max()
    assert sharpened(raw, *LINEAR)[0] == 0
    said = capsys.readouterr().err
    assert "a background, which holds" in said and "--psf-background auto" in said
    x = sharpened(raw, *LINEAR, "--psf-background", "auto")[1]
    assert away(x, right) < RIGHT
    assert "a background, which holds" not in capsys.readouterr().err
    assert sharpened(gaussian((9, 9), 3.0), *LINEAR)[0] == 0  # tails that are cut off are none
    said = capsys.readouterr().err
    assert "cut off" in said and "holds" not in said


def test_an_offset_of_the_image_is_told(here, capsys):
    light = blurred(np.pad(600 * np.ones((20, 24)), 20))
    write_image("i.tif", light, "YX")
    right = sharpened(gaussian((9, 9), 1.3), *LINEAR)[1]
    assert "--background auto" not in capsys.readouterr().err
    write_image("i.tif", light + 480, "YX", overwrite=True)
    sharpened(gaussian((9, 9), 1.3), *LINEAR)
    said = capsys.readouterr().err
    assert "darkest places are at 480" in said and "--background auto" in said
    x = sharpened(gaussian((9, 9), 1.3), *LINEAR, "--background", "auto")[1]
    assert away(x, right) < RIGHT
    assert "darkest" not in capsys.readouterr().err


# Voxels ---------------------------------------------------------------------------------------


def test_a_psf_narrower_than_a_voxel_is_refused_or_said(here, capsys):
    write_image("n.tif", blurred(scene()), "YX", 100, "nm")
    assert command(image="n.tif", psf="gaussian:sigma=0.15") == 64
    said = capsys.readouterr().err
    assert "100 × 100 nm" in said and "lengths in nm" in said
    assert command("--iterations", "2", image="n.tif", psf="gaussian:sigma=150") == 0
    assert "narrower" not in capsys.readouterr().err
    narrow = ("--iterations", "2", "--overwrite")
    assert command(*narrow, image="n.tif", psf="gaussian:sigma=30") == 0
    assert "narrower than a voxel" in capsys.readouterr().err
    write_image("i.tif", blurred(scene()), "YX")
    assert sharpened(np.pad([[1.0]], 4), *narrow)[0] == 0
    assert "narrower than a voxel" in capsys.readouterr().err


def test_a_voxel_size_that_is_stated_for_the_psf_is_in_the_unit_of_the_image(here, capsys):
    write_image("i.tif", blurred(scene()), "YX", 0.1, "um")
    write_image("fine.tif", gaussian((9, 9), 1.3), "YX", 50, "nm")
    assert command(psf="fine.tif") == 65
    assert "--psf-voxel-size" in capsys.readouterr().err
    assert command("--psf-voxel-size", "0.1", psf="fine.tif") == 0
    assert command("--psf-voxel-size", "0.2", "--overwrite", psf="fine.tif") == 65
