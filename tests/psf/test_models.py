"""Models of point spread functions against closed forms, quadrature and a measured PSF."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import tifffile
from scipy import integrate, ndimage, optimize, special

from physrecon import psf
from physrecon.errors import ArgumentError, DataError

WAVELENGTH, PITCH = 0.5, 0.1  # µm
THREE = (0.3, PITCH, PITCH)
MODELS_2D = {
    "gaussian": lambda shape: psf.gaussian(shape, 1.7),
    "airy": lambda shape: psf.airy(shape, WAVELENGTH, 0.8, PITCH),
    "moffat": lambda shape: psf.moffat(shape, 3.0, 2.5),
    "defocus": lambda shape: psf.defocus(shape, 3.3),
    "motion": lambda shape: psf.motion(shape, 6.0, 0.0, angle_unit="deg"),
}
MODELS_3D = {
    "gaussian": lambda shape: psf.gaussian(shape, (1, 2, 2)),
    "born_wolf": lambda shape: psf.born_wolf(shape, WAVELENGTH, 0.8, THREE, 1.33),
    "gibson_lanni": lambda shape: psf.gibson_lanni(shape, WAVELENGTH, 0.8, THREE, 1.33),
}


def offsets(n: int) -> np.ndarray:
    return np.arange(n) - n // 2


def radii(n: int) -> np.ndarray:
    return np.hypot(offsets(n)[:, None], offsets(n)) * PITCH


@pytest.mark.parametrize("shape", [(21, 17), (20, 16), (15, 22)])
@pytest.mark.parametrize("name", MODELS_2D)
def test_in_the_plane(name, shape):
    a_centred_distribution(MODELS_2D[name](shape), shape)


@pytest.mark.parametrize("shape", [(5, 21, 17), (6, 20, 16), (1, 15, 22)])
@pytest.mark.parametrize("name", MODELS_3D)
def test_in_a_stack(name, shape):
    a_centred_distribution(MODELS_3D[name](shape), shape)


def a_centred_distribution(h, shape):
    assert h.shape == shape and h.dtype == np.float64
    assert h.sum() == pytest.approx(1, abs=1e-12) and h.min() >= 0
    center = tuple(n // 2 for n in shape)
    assert h[center] == pytest.approx(h.max(), rel=1e-12)
    for axis, n in enumerate(shape):  # the same on both sides, as far as both are there
        reach = (n - 1) // 2
        inside = np.take(h, np.arange(n // 2 - reach, n // 2 + reach + 1), axis)
        np.testing.assert_allclose(inside, np.flip(inside, axis), atol=1e-14)


# ---- simple shapes


def test_gaussian_is_the_integral_over_each_voxel():
    sigma, pitch = (0.2, 0.7), (0.3, 0.25)
    h = psf.gaussian((5, 9), sigma, pitch)
    normal = [special.ndtr((np.arange(6) - 2.5) * 0.3 / 0.2)]
    normal += [special.ndtr((np.arange(10) - 4.5) * 0.25 / 0.7)]
    truth = np.outer(*(np.diff(p) for p in normal))
    np.testing.assert_allclose(h, truth / truth.sum(), rtol=1e-12)


def test_variance_of_a_gaussian_on_pixels():
    h = psf.gaussian((61,), 2.0, 0.5)
    assert (h * (offsets(61) * 0.5) ** 2).sum() == pytest.approx(4 + 0.5**2 / 12, rel=1e-6)


def test_moffat_has_its_width():
    h = psf.moffat((81, 81), 20.0, 3.0, oversampling=1)
    assert h[50, 40] / h[40, 40] == pytest.approx(0.5, rel=1e-12)
    ratio = psf.moffat((81, 81), 20.0, 3.0, 1.0)[40, 40] / psf.moffat((81, 81), 20.0, 3.0)[40, 50]
    assert ratio == pytest.approx(2, rel=0.01)


def test_moffat_is_integrated_over_pixels():
    width, beta = 2.0, 2.5
    alpha = width / 2 / math.sqrt(2 ** (1 / beta) - 1)
    h = psf.moffat((9, 9), width, beta)

    def pixel(y, x):
        def profile(b, a):
            return (1 + (a * a + b * b) / alpha**2) ** -beta

        return integrate.dblquad(profile, y - 0.5, y + 0.5, x - 0.5, x + 0.5)[0]

    assert h[4, 4] / h[4, 6] == pytest.approx(pixel(0, 0) / pixel(0, 2), rel=1e-5)


def test_disc_of_exact_areas():
    radius, pitch = 2.3, (0.5, 0.7)
    h = psf.defocus((15, 11), radius, pitch)
    fine = 400  # points along a pixel
    y = (np.arange(15 * fine) - 15 * fine / 2 + 0.5) * pitch[0] / fine
    half = np.sqrt(np.maximum(radius**2 - y**2, 0))  # the disc in a line: [−half, half]
    edges = (np.arange(12) - 5.5) * pitch[1]
    covered = np.diff(np.clip(edges, -half[:, None], half[:, None]), axis=1)
    area = covered.reshape(15, fine, 11).sum(axis=1)
    np.testing.assert_allclose(h, area / area.sum(), atol=2e-6)


def test_small_disc_is_a_point():
    h = psf.defocus((3, 4), 0.2)
    assert h[1, 2] == 1


def test_line_along_an_axis_by_hand():
    h = psf.motion((3, 7), 4.0, 0.0, angle_unit="deg")
    np.testing.assert_allclose(h[1], [0, 0.125, 0.25, 0.25, 0.25, 0.125, 0], atol=1e-15)
    np.testing.assert_allclose(psf.motion((7, 3), 4.0, math.pi / 2, angle_unit="rad"), h.T)


def test_line_at_an_angle():
    length, angle = 9.0, 30.0
    h = psf.motion((11, 13), length, angle, (1.0, 0.8), angle_unit="deg")
    t = (np.arange(200000) + 0.5) / 200000 - 0.5
    row = np.rint(t * length * math.sin(math.radians(angle))).astype(int) + 5
    column = np.rint(t * length * math.cos(math.radians(angle)) / 0.8).astype(int) + 6
    truth = np.zeros((11, 13))
    np.add.at(truth, (row, column), 1 / len(t))
    np.testing.assert_allclose(h, truth, atol=2e-5)


# ---- diffraction


def test_airy_is_its_closed_form():
    h = psf.airy((31, 31), WAVELENGTH, 0.8, PITCH, oversampling=1)
    v = 2 * math.pi * 0.8 / WAVELENGTH * np.maximum(radii(31), 1e-9)
    truth = (2 * special.j1(v) / v) ** 2
    np.testing.assert_allclose(h / h.max(), truth, atol=1e-12)


def test_airy_is_integrated_over_pixels():
    h = psf.airy((15, 15), WAVELENGTH, 0.8, 2.5 * PITCH)  # far below Nyquist
    n, fine = 15, 100
    x = ((np.arange(n * fine) + 0.5) / fine - n / 2) * 2.5 * PITCH
    v = 2 * math.pi * 0.8 / WAVELENGTH * np.hypot(x[:, None], x)
    truth = ((2 * special.j1(v) / v) ** 2).reshape(n, fine, n, fine).sum(axis=(1, 3))
    np.testing.assert_allclose(h, truth / truth.sum(), atol=2e-5)  # the midpoint rule's


def test_born_wolf_in_focus_is_airy():
    h = psf.born_wolf((1, 41, 40), WAVELENGTH, 0.8, THREE, 1.33)[0]
    airy = psf.airy((41, 40), WAVELENGTH, 0.8, PITCH)
    np.testing.assert_allclose(h / h.max(), airy / airy.max(), atol=1e-9)


def test_born_wolf_along_the_axis_is_sinc_squared():
    n = 1.33
    h = psf.born_wolf((41, 9, 9), WAVELENGTH, 0.8, THREE, n, oversampling=1)[:, 4, 4]
    truth = np.sinc(0.8**2 * offsets(41) * 0.3 / (2 * n * WAVELENGTH)) ** 2
    np.testing.assert_allclose(h / h.max(), truth, atol=1e-9)


def test_energy_is_the_same_in_every_plane():
    """Up to what is cropped; the pupil's energy by Parseval is 1/π of (k NA)² I(0)/4."""
    h = psf.gibson_lanni((9, 301, 301), WAVELENGTH, 0.8, THREE, 1.33)
    sums = h.sum(axis=(1, 2))
    np.testing.assert_allclose(sums / sums[4], 1, atol=0.01)
    point = psf.gibson_lanni((1, 301, 301), WAVELENGTH, 0.8, THREE, 1.33, oversampling=1)
    k_na = 2 * math.pi * 0.8 / WAVELENGTH
    assert point.max() == pytest.approx(PITCH**2 * k_na**2 / (4 * math.pi), rel=0.01)


@pytest.mark.parametrize("model", ["born_wolf", "gibson_lanni"])
def test_no_frequency_beyond_the_cut_off(model):
    """A window without edges takes the place of the crop; what leaks then is the window's."""
    na, n = 0.8, 161
    more = dict(sample_index=1.2, depth=20.0) if model == "gibson_lanni" else {}
    h = getattr(psf, model)((3, n, n), WAVELENGTH, na, THREE, 1.33, **more)
    window = np.exp(-0.5 * (offsets(n) / 12.0) ** 2)
    spectrum = np.abs(np.fft.fft2(h * window[:, None] * window))
    f = np.fft.fftfreq(n, PITCH)
    f = np.hypot(f[:, None], f)
    cut_off, widening = 2 * na / WAVELENGTH, 7 / (2 * math.pi * 12.0 * PITCH)  # 7 sigma
    beyond = f > cut_off + widening
    assert beyond.sum() > 1000
    assert spectrum[:, beyond].max() < 1e-9 * spectrum.max()
    within = (f > 0.7 * cut_off) & (f < 0.8 * cut_off)
    assert spectrum[1][within].min() > 1e-3 * spectrum[1].max()


def amplitude_by_quadpack(path, na, r):
    k = 2 * math.pi / WAVELENGTH

    def part(of):
        return integrate.quad(
            lambda p: of(np.exp(1j * k * path(p))) * special.j0(k * na * r * p) * 2 * p,
            0, 1, limit=500, epsabs=1e-9, epsrel=1e-9,
        )[0]  # fmt: skip

    return part(np.real) + 1j * part(np.imag)


GLASS = dict(coverslip=(172.0, 1.53), nominal_coverslip=(170.0, 1.515))
OPTICS = {  # na, immersion_index, the rest
    "water under oil": (1.2, 1.515, dict(sample_index=1.33, depth=3.0)),
    "evanescent rays": (1.4, 1.515, dict(sample_index=1.33, depth=0.4)),
    "wrong coverslip": (0.9, 1.0, GLASS),
    "wrong oil": (1.3, 1.52, dict(nominal_immersion=(100.0, 1.515))),
}


@pytest.mark.parametrize("case", OPTICS)
def test_gibson_lanni_is_its_integral(case):
    """The path as Li, Xue and Blu (2017) write it, by QUADPACK; three planes, three radii."""
    na, n, more = OPTICS[case]
    focus = -0.4
    h = psf.gibson_lanni((3, 9, 9), WAVELENGTH, na, THREE, n, focus=focus, oversampling=1, **more)
    depth, n_s = more.get("depth", 0.0), more.get("sample_index", n)
    t_g, n_g = more.get("coverslip", (0.0, 1.5))
    t_g0, n_g0 = more.get("nominal_coverslip", (0.0, 1.5))
    t_i0, n_i0 = more.get("nominal_immersion", (0.0, n))

    def path(z):
        t_i = -z + n * (-depth / n_s - t_g / n_g + t_g0 / n_g0 + t_i0 / n_i0)

        def w(p):
            a = (na * p) ** 2
            return (
                t_i * np.sqrt(n**2 - a + 0j) - t_i0 * np.sqrt(n_i0**2 - a + 0j)
                + depth * np.sqrt(n_s**2 - a + 0j)
                + t_g * np.sqrt(n_g**2 - a + 0j) - t_g0 * np.sqrt(n_g0**2 - a + 0j)
            )  # fmt: skip

        return w

    points = [(0, 0), (2, 0), (1, 3), (2, 2)]  # plane, columns off the axis
    truth = [
        abs(amplitude_by_quadpack(path(focus + (p - 1) * 0.3), na, r * PITCH)) ** 2
        for p, r in points
    ]
    found = [h[p, 4, 4 + r] for p, r in points]
    np.testing.assert_allclose(np.array(found) / found[0], np.array(truth) / truth[0], rtol=1e-6)


def test_gibson_lanni_without_aberration_is_born_wolf():
    """Where the aperture is small, for there the paraxial path is the path."""
    size, pitch = (9, 21, 21), (40.0, 1.0, 1.0)
    same = psf.born_wolf(size, WAVELENGTH, 0.1, pitch, 1.5)
    nominal = dict(coverslip=(170.0, 1.515), nominal_coverslip=(170.0, 1.515))
    h = psf.gibson_lanni(size, WAVELENGTH, 0.1, pitch, 1.5, depth=30.0, **nominal)
    np.testing.assert_allclose(h, same, atol=2e-3 * same.max())
    assert np.abs(h - same).max() > 1e-7 * same.max()


def test_brightest_plane_is_the_middle_one():
    more = dict(sample_index=1.33, depth=8.0)
    h = psf.gibson_lanni((61, 9, 9), WAVELENGTH, 1.3, (0.1, 0.05, 0.05), 1.515, **more)
    axis = h[:, 4, 4]
    assert abs(int(axis.argmax()) - 30) <= 1
    paraxial = psf.gibson_lanni(
        (121, 9, 9), WAVELENGTH, 1.3, (0.1, 0.05, 0.05), 1.515, focus=0.0, **more
    )[:, 4, 4]
    # rays at the rim are bent more by oil than by water: they meet farther from the coverslip,
    # so that the objective stands nearer to the sample for them
    assert paraxial.argmax() > 65


def test_confocal_is_the_product():
    a, b = psf.gaussian((5, 5), 1.0), psf.gaussian((5, 5), 1.5)
    np.testing.assert_allclose(psf.confocal(a, b), a * b / (a * b).sum())
    with pytest.raises(ArgumentError, match="one shape"):
        psf.confocal(a, b[1:])
    with pytest.raises(DataError, match="overlap"):
        psf.confocal(a, 0 * b)


# ---- background


def test_background_is_taken_off():
    h = psf.gaussian((61, 61), 3.0) * 1e6
    noisy = np.random.default_rng(0).poisson(h + 10.3)
    noisy[0, 5] = 500  # a hot pixel
    assert psf.background_level(noisy) == pytest.approx(10.3, abs=0.6)
    left = psf.without_background(noisy)
    assert left.min() == 0
    np.testing.assert_allclose(left, np.maximum(noisy - psf.background_level(noisy), 0))
    np.testing.assert_allclose(psf.without_background(noisy, 3.0), np.maximum(noisy - 3.0, 0))


def test_background_of_nothing_else():
    with pytest.raises(DataError, match="above the background"):
        psf.without_background(np.full((8, 8), 3.0))
    with pytest.raises(DataError, match="NaN"):
        psf.without_background(np.full((8, 8), np.nan))
    with pytest.raises(ArgumentError, match="'auto'"):
        psf.without_background(np.eye(8), level="some")
    with pytest.raises(ArgumentError, match="dimensions"):
        psf.background_level(np.ones(5))


# ---- errors

REFUSED = {
    "na above index": lambda: psf.born_wolf((3, 9, 9), 0.5, 1.4, 0.1, 1.33),
    "na above immersion": lambda: psf.gibson_lanni((3, 9, 9), 0.5, 1.4, 0.1, 1.33),
    "na above glass": lambda: psf.gibson_lanni(
        (3, 9, 9), 0.5, 1.45, 0.1, 1.515, coverslip=(170, 1.4), nominal_coverslip=(170, 1.515)
    ),
    "half a coverslip": lambda: psf.gibson_lanni(
        (3, 9, 9), 0.5, 1.4, 0.1, 1.515, coverslip=(170, 1.5)
    ),
    "negative depth": lambda: psf.gibson_lanni((3, 9, 9), 0.5, 1.4, 0.1, 1.515, depth=-1),
    "a coverslip of one number": lambda: psf.gibson_lanni(
        (3, 9, 9), 0.5, 1.4, 0.1, 1.515, coverslip=170, nominal_coverslip=170
    ),
    "NaN": lambda: psf.airy((9, 9), math.nan, 0.5, 0.1),
    "wrong rank": lambda: psf.airy((3, 9, 9), 0.5, 0.5, 0.1),
    "no shape": lambda: psf.gaussian((), 1.0),
    "half a pixel": lambda: psf.gaussian((3.5, 4), 1.0),
    "three sigmas for two axes": lambda: psf.gaussian((3, 4), (1, 1, 1)),
    "no width": lambda: psf.gaussian((3, 4), 0.0),
    "beta": lambda: psf.moffat((9, 9), 2.0, 1.0),
    "oversampling": lambda: psf.moffat((9, 9), 2.0, 2.0, oversampling=0),
    "a disc too large": lambda: psf.defocus((9, 8), 3.6),
    "a line too long": lambda: psf.motion((9, 9), 10.0, 0.0, angle_unit="deg"),
    "degrees?": lambda: psf.motion((9, 9), 3.0, 0.0, angle_unit="degrees"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    with pytest.raises(ArgumentError, match=r"expected .*, got "):
        REFUSED[case]()


# ---- a measured PSF


@pytest.fixture(scope="module")
def widefield(shared_data):
    """(planes, 41, 41) around the axis, centred to a fraction of a pixel, background taken off."""
    image = tifffile.imread(shared_data / "pyotf_psf/psf_wl520nm_z300nm_x130nm_na0.85_n1.0.tif")
    image = psf.without_background(image)
    core = image[12, 122:135, 125:138]
    y, x = (np.average(offset, weights=core) for offset in np.indices(core.shape) - 6)
    return ndimage.shift(image, (0, -y, -x), order=3)[:, 108:149, 111:152]


def alike(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def best_focus(measured, **optics):
    """(correlation, focus) of the model with the stated numbers, best over the focus [nm]."""

    def unlike(focus):
        h = psf.gibson_lanni((25, 41, 41), 520, 0.85, (300, 130, 130), 1.0, focus=focus, **optics)
        return -alike(measured, h)

    start = min(np.arange(-1200, 1201, 200), key=unlike)
    found = optimize.minimize_scalar(unlike, bounds=(start - 200, start + 200), method="bounded")
    return -found.fun, found.x


def test_stated_numbers_explain_the_measured_psf(widefield):
    """0.927 in the 5.3 µm around the axis.  What is missing is spherical aberration: the fringes
    lie on one side of focus, and a coverslip 5 µm too thin explains some of them (0.931)."""
    found, focus = best_focus(widefield)
    assert found >= 0.92 and abs(focus) < 150
    paraxial = psf.born_wolf((25, 41, 41), 520, 0.85, (300, 130, 130), 1.0)
    assert alike(widefield, paraxial) >= 0.9

    thin = best_focus(widefield, coverslip=(165e3, 1.5), nominal_coverslip=(170e3, 1.5))[0]
    thick = best_focus(widefield, coverslip=(175e3, 1.5), nominal_coverslip=(170e3, 1.5))[0]
    assert thin > found > thick


@pytest.mark.parametrize("shape", [(41, 40), (24, 31, 32)])
def test_a_psf_off_its_centre_is_moved_there_to_fractions_of_a_voxel(shape):
    """Gaussians sampled at their points: the moved one is the one that was centred at first."""
    off = (2.3, -1.6, 0.45)[: len(shape)]

    def sampled(centers):
        axes = zip(shape, centers, strict=True)
        lines = [np.exp(-0.5 * ((np.arange(n) - c) / 2) ** 2) for n, c in axes]
        return functools.reduce(np.multiply.outer, lines)

    middle = [n // 2 for n in shape]
    there = [m + d for m, d in zip(middle, off, strict=True)]
    np.testing.assert_allclose(psf.centered(sampled(there)), sampled(middle), atol=2e-4)
    np.testing.assert_allclose(psf.center_of_mass(sampled(there)), there, atol=2e-3)
    with pytest.raises(DataError, match="expected light"):
        psf.centered(np.zeros((3, 3)))
