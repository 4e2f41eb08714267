"""PSFs distilled from beads: simulated ones of which the truth is known, and measured ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tifffile
from scipy import ndimage, optimize

import physrecon as pr
from physrecon.errors import ArgumentError, DataError

FWHM = 2 * math.sqrt(2 * math.log(2))


def draw(shape, positions, heights, sigma):
    """Gaussian beads at places between the voxels; sigma: scalar, per axis or per bead and axis."""
    image = np.zeros(shape)
    grids = np.ogrid[tuple(slice(n) for n in shape)]
    for bead, height, s in zip(
        positions, heights, np.broadcast_to(sigma, (len(heights), len(shape))), strict=True
    ):
        distance = sum(((g - b) / w) ** 2 for g, b, w in zip(grids, bead, s, strict=True))
        image += height * np.exp(-distance / 2)
    return image


def alike(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def by_place(positions):
    return np.array(sorted(positions.tolist(), key=lambda p: round(p[-1])))


# ---- Gaussian beads in 3-D, with the noise of counting

SIGMA = np.array([1.2, 2.0, 2.6])
PLACES = np.array(
    [
        [10.3, 15.2, 14.7],
        [9.6, 44.9, 28.3],
        [10.9, 18.4, 45.1],
        [11.2, 47.3, 61.6],
        [10.0, 16.5, 79.2],
        [9.8, 45.5, 93.0],
    ]
)
HEIGHTS = [400, 300, 520, 350, 470, 380]


@pytest.fixture(scope="module")
def measured():
    stack = draw((21, 60, 108), PLACES, HEIGHTS, SIGMA) + 12
    return pr.psf_from_beads(
        np.random.default_rng(1).poisson(stack).astype(np.uint16), (13, 23, 25), (0.3, 0.1, 0.1)
    )


def test_all_beads_are_found_where_they_are(measured):
    assert measured.count == measured.found == 6 and not measured.rejected
    np.testing.assert_allclose(by_place(measured.positions), PLACES, atol=0.06)
    assert measured.background == pytest.approx(12, abs=0.2)
    assert measured.noise == pytest.approx(math.sqrt(12), rel=0.05)


def test_the_truth_is_recovered(measured):
    h = measured.psf
    truth = draw(h.shape, [[6, 11, 12]], [1.0], SIGMA)
    truth /= truth.sum()
    assert h.sum() == pytest.approx(1) and h.min() >= 0
    assert alike(h, truth) > 0.999
    assert h.max() == pytest.approx(truth.max(), rel=0.03)
    assert ndimage.center_of_mass(h) == pytest.approx((6, 11, 12), abs=0.05)
    np.testing.assert_allclose(measured.width, SIGMA * FWHM * [0.3, 0.1, 0.1], rtol=0.04)


def test_denoising_helps():
    rng = np.random.default_rng(2)
    stack = rng.poisson(draw((21, 60, 108), PLACES, np.array(HEIGHTS) / 10, SIGMA) + 12)
    truth = draw((13, 23, 25), [[6, 11, 12]], [1.0], SIGMA)
    truth /= truth.sum()
    error = {
        denoise: np.abs(pr.psf_from_beads(stack, truth.shape, denoise=denoise).psf - truth).sum()
        for denoise in (True, False)
    }
    assert error[True] < 0.5 * error[False] and error[True] < 0.3


def test_rings_of_a_microscope_survive():
    """Beads at different heights and places under oil, 3 µm deep in water."""
    voxel, rng = (0.2, 0.08, 0.08), np.random.default_rng(3)

    def model(shape, focus):
        return pr.psf.gibson_lanni(
            shape, 0.55, 1.2, voxel, 1.515, sample_index=1.33, depth=3.0, focus=focus
        )

    stack = np.full((25, 64, 144), 10.0)
    middle, offsets = 0.3, [(0.0, 0.0, 0.0), (0.3, 0.45, -0.2), (-0.4, 0.1, 0.35)]
    for i, (z, y, x) in enumerate(offsets):
        h = np.fft.fft2(model((25, 64, 48), middle - z * voxel[0]))
        shifted = ndimage.fourier_shift(h[0] * 0 + 1, (y, x))
        h = np.fft.ifft2(h * shifted).real
        stack[:, :, 48 * i : 48 * i + 48] += 3000 * np.maximum(h, 0) / h.max()
    found = pr.psf_from_beads(rng.poisson(stack), (21, 33, 33), voxel)
    assert found.count == 3
    steps = found.positions - found.positions[found.positions[:, 2].argmin()]
    steps = by_place(steps) - [[0, 0, 0], [0, 0, 48], [0, 0, 96]]
    np.testing.assert_allclose(steps, offsets, atol=0.06)

    def unlike(focus):
        return -alike(found.psf, model((21, 33, 33), focus))

    start = min(np.arange(-0.6, 1.3, 0.2), key=unlike)
    best = optimize.minimize_scalar(
        unlike, bounds=(start - 0.2, start + 0.2), method="bounded", options={"maxiter": 12}
    )
    assert -best.fun > 0.998


# ---- which beads are taken


def scene(*more, hot=False):
    """Six good beads of σ = 2 and height 200 in a plane, others besides: (y, x, height, σ)."""
    good = [(y, x, 200, 2) for y in (20.3, 60.4) for x in (20.1, 60.7, 100.5)]
    beads = np.array([*good, *more], float)
    image = draw((120, 120), beads[:, :2], beads[:, 2], beads[:, 3:]) + 10
    if hot:
        image[90, 90] += 3000
    return np.random.default_rng(4).poisson(image)


REJECTED = {
    "at the border": [(110, 1.5, 200, 2)],
    "saturated": [(100, 60, 460, 2)],
    "too close to another": [(100, 60, 200, 2), (107, 66, 150, 2)],
    "of another size": [(100, 60, 200, 3.6)],
    "of another brightness": [(100, 60, 650, 2)],
}


@pytest.mark.parametrize("reason", REJECTED)
def test_rejected(reason):
    level = 400 if reason == "saturated" else 10_000
    found = pr.psf_from_beads(scene(*REJECTED[reason]), (19, 19), saturation=level)
    assert found.rejected == {reason: len(REJECTED[reason])} and found.count == 6
    assert found.found == 6 + len(REJECTED[reason])
    truth = draw((19, 19), [[9, 9]], [1.0], 2)
    assert alike(found.psf, truth) > 0.998
    assert f"PSF from 6 of {found.found} beads, {len(REJECTED[reason])} {reason}" in str(found)


def test_saturation_of_an_integer_dtype_is_its_largest():
    image = np.minimum(scene((100, 60, 460, 2)), 255).astype(np.uint8)
    assert pr.psf_from_beads(image, (19, 19)).rejected == {"saturated": 1}


def test_a_hot_pixel_is_no_bead():
    found = pr.psf_from_beads(scene(hot=True), (19, 19))
    assert found.count == found.found == 6
    assert found.notes == ["1 hot voxels replaced by their neighbours"]
    assert alike(found.psf, draw((19, 19), [[9, 9]], [1.0], 2)) > 0.998


def test_shape_is_chosen_and_background_differs_from_plane_to_plane():
    stack = draw((21, 60, 108), PLACES, HEIGHTS, SIGMA) + 12 + np.arange(21)[:, None, None]
    found = pr.psf_from_beads(np.random.default_rng(5).poisson(stack))
    assert all(n % 2 and n > 3 * s * FWHM for n, s in zip(found.psf.shape, SIGMA, strict=True))
    center = [n // 2 for n in found.psf.shape]
    assert alike(found.psf, draw(found.psf.shape, [center], [1.0], SIGMA)) > 0.999


def test_beyond_the_frame_others_or_zero():
    stack = draw((13, 60, 108), PLACES - [4, 0, 0], HEIGHTS, SIGMA) + 12
    found = pr.psf_from_beads(np.random.default_rng(6).poisson(stack), (21, 23, 25))
    assert found.count == 6
    assert (found.psf[[0, 20]] == 0).all()
    assert alike(found.psf, draw((21, 23, 25), [[10, 11, 12]], [1.0], SIGMA)) > 0.999


def test_rings_are_averaged():
    truth = draw((20, 21), [[10, 10]], [1.0], 2)
    found = pr.psf_from_beads(scene(), (20, 21), symmetric=True, denoise=False)
    np.testing.assert_allclose(found.psf[10], found.psf[10, ::-1], atol=1e-12)
    np.testing.assert_allclose(found.psf[10, 10:20], found.psf[10:, 10], atol=1e-12)
    plain = pr.psf_from_beads(scene(), (20, 21), denoise=False)
    truth /= truth.sum()
    assert np.abs(found.psf - truth).sum() < 0.8 * np.abs(plain.psf - truth).sum()


def test_the_size_of_beads_is_said():
    notes = pr.psf_from_beads(scene(), (19, 19), 0.05, bead_diameter=0.1).notes
    fwhm, own = 2 * FWHM * 0.05, FWHM * 0.1 / math.sqrt(20)
    percent = 100 * (fwhm / math.sqrt(fwhm**2 - own**2) - 1)
    assert notes == [f"beads of 0.1 widen the PSF by about {percent:.1g} % where it is narrowest"]
    (note,) = pr.psf_from_beads(scene(), (19, 19), 0.05, bead_diameter=1.0).notes
    assert "are no points" in note


# ---- errors


def test_no_bead():
    noise = np.random.default_rng(7).poisson(np.full((40, 40), 20.0))
    with pytest.raises(DataError, match="got none"):
        pr.psf_from_beads(noise, (9, 9))
    with pytest.raises(DataError, match="got none"):
        pr.psf_from_beads(np.ones((40, 40)), (9, 9))


def test_no_bead_that_is_fit():
    with pytest.raises(DataError, match="6 that are not"):
        pr.psf_from_beads(scene(), (19, 19), saturation=100)
    with pytest.raises(DataError, match="6 too close to another"):
        pr.psf_from_beads(scene(), (99, 99))


def test_wrong_arguments():
    with pytest.raises(ArgumentError, match="rows, columns"):
        pr.psf_from_beads(np.ones((2, 3, 4, 5)))
    with pytest.raises(ArgumentError, match="shape"):
        pr.psf_from_beads(scene(), (9, 9, 9))
    with pytest.raises(ArgumentError, match="voxel_size"):
        pr.psf_from_beads(scene(), (9, 9), voxel_size=(1, 1, 1))
    with pytest.raises(ArgumentError, match="threshold"):
        pr.psf_from_beads(scene(), (9, 9), threshold=0)
    with pytest.raises(DataError, match="NaN"):
        pr.psf_from_beads(np.where(scene() > 150, np.nan, scene()))


# ---- measured beads


def test_measured_beads_give_the_published_psf(shared_data):
    """Correlation 0.99 once both are centred alike (the published one is off by 4, −1 and 1)."""
    folder = shared_data / "confocal_beads_grid"
    published = tifffile.imread(folder / "psf_distilled_normalised.tif")
    stack = tifffile.imread(folder / "Bead_Image1_crop.tif")
    found = pr.psf_from_beads(stack, (45, 45, 45), (0.125, 0.022, 0.022))
    assert found.count == found.found == 4
    spectrum = np.fft.fftn(published) * np.conj(np.fft.fftn(found.psf))
    cross = np.fft.ifftn(spectrum).real
    shift = np.unravel_index(cross.argmax(), cross.shape)
    near = np.roll(published, [-s for s in shift], (0, 1, 2))
    assert alike(found.psf, near) > 0.95

    def unlike(by):
        return -alike(found.psf, ndimage.shift(near, by, order=1, mode="nearest"))

    best = optimize.minimize(unlike, np.zeros(3), method="Nelder-Mead", options={"maxfev": 40})
    assert -best.fun > 0.98
