"""Arrays of other libraries: nothing that they say is dropped in silence."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import physrecon as pr
from physrecon.errors import ArgumentError

GAUSSIAN = pr.psf.gaussian((5, 5), sigma=1)
SCAN = pr.ParallelBeam(np.arange(0.0, 180, 30), (1, 9), angle_unit="deg")


class Quantity(np.ndarray):
    """As astropy's: an array that is a number of units."""

    unit = "cm"


class Wrapped:
    """As astropy's CCDData, pint's Quantity and xarray's DataArray: they hold an array."""

    def __init__(self, values, **said):
        self.values = np.asarray(values)
        self.shape, self.dtype, self.ndim = self.values.shape, self.values.dtype, self.values.ndim
        vars(self).update(said)

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)

    def __getitem__(self, key):
        return self.values[key]


def masked(values):
    return np.ma.masked_less_equal(values, np.min(values))


SAYING = {  # an array that says more than its numbers: what the error names
    "a mask": masked,
    "the unit cm": lambda values: np.asarray(values).view(Quantity),
    "the unit adu": lambda values: Wrapped(values, unit="adu", mask=None),
    "the unit um": lambda values: Wrapped(values, units="um"),
    "an uncertainty": lambda values: Wrapped(values, uncertainty=SimpleNamespace(array=values)),
    "coordinates": lambda values: Wrapped(values, coords={"x": [0.0, 0.1]}),
}
IMAGE, VOLUME = np.random.default_rng(0).random((9, 9)), np.ones((6, 1, 9))
BLUR = pr.Blur(GAUSSIAN, (9, 9))
DOORS = {
    "operator": (lambda a: BLUR @ a, IMAGE),
    "psf": (lambda a: pr.Blur(a, (9, 9)), GAUSSIAN),
    "psfs": (lambda a: pr.DepthBlur(a, (3, 9, 9), [0, 2]), np.stack([GAUSSIAN] * 2)),
    "wiener": (lambda a: pr.wiener(a, GAUSSIAN, noise=0.1), IMAGE),
    "wiener psf": (lambda a: pr.wiener(IMAGE, a, noise=0.1), GAUSSIAN),
    "likelihood": (lambda a: pr.LeastSquares(BLUR, a), IMAGE),
    "weights": (lambda a: pr.LeastSquares(BLUR, IMAGE, weights=a), IMAGE),
    "background": (lambda a: pr.PoissonLikelihood(BLUR, IMAGE, background=a), IMAGE),
    "one background": (lambda a: pr.PoissonLikelihood(BLUR, IMAGE, background=a), np.array(2.0)),
    "diagonal": (lambda a: pr.Diagonal(a, (9, 9)), IMAGE),
    "mask operator": (lambda a: pr.Mask(a), IMAGE > 0.5),
    "noise level": (pr.noise_level, IMAGE),
    "fbp": (lambda a: pr.fbp(a, SCAN), VOLUME),
    "prepare": (lambda a: pr.prepare(a, np.full((2, 1, 9), 2.0)), VOLUME),
    "flats": (lambda a: pr.prepare(VOLUME, a), np.full((2, 1, 9), 2.0)),
    "find_center": (lambda a: pr.find_center(a, SCAN.radians), VOLUME),
    "angles": (lambda a: pr.ParallelBeam(a, (1, 9), angle_unit="deg"), np.arange(6.0)),
    "pixel size": (lambda a: pr.Grid((1, 3, 3), a), np.array(0.1)),
    "beads": (pr.psf_from_beads, IMAGE),
    "measured psf": (pr.psf.background_level, IMAGE),
    "confocal": (lambda a: pr.psf.confocal(a, GAUSSIAN), GAUSSIAN),
    "write_image": (lambda a: pr.write_image("i.tif", a, "YX"), IMAGE),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("what", SAYING)
def test_what_plain_numbers_cannot_say_is_refused(tmp_path, monkeypatch, what, door):
    monkeypatch.chdir(tmp_path)
    call, values = DOORS[door]
    with pytest.raises(ArgumentError, match=f"expected a plain array, got .* with {what};"):
        call(SAYING[what](values))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("door", DOORS)
def test_weights_are_advised_only_where_there_are_some(tmp_path, monkeypatch, door):
    monkeypatch.chdir(tmp_path)
    call, values = DOORS[door]
    for what in ("a mask", "an uncertainty"):
        with pytest.raises(ArgumentError) as refused:
            call(SAYING[what](values))
        takes_weights = door in ("likelihood", "noise level")
        assert ("weight" in str(refused.value).partition(what)[2]) == takes_weights


def test_weights_are_advised_against_nan_only_where_there_are_some():
    holed = np.where(IMAGE > 0.9, np.nan, IMAGE)
    with pytest.raises(ArgumentError, match="weight 0"):
        pr.LeastSquares(BLUR, holed)
    for call in (
        lambda: pr.wiener(holed, GAUSSIAN, noise=0.1),
        lambda: pr.PoissonLikelihood(BLUR, holed),
        lambda: pr.Blur(holed, (9, 9)),
    ):
        with pytest.raises(ArgumentError, match=r"fill them$"):
            call()


@pytest.mark.parametrize(
    "same",
    [
        np.ma.asarray,
        lambda v: Wrapped(v, unit="", mask=None, coords={}),
        lambda v: Wrapped(v, units="dimensionless", mask=np.zeros(v.shape, bool)),
    ],
)
def test_arrays_that_say_nothing_more_are_taken(same):
    np.testing.assert_array_equal(BLUR @ same(IMAGE), BLUR @ IMAGE)
    np.testing.assert_array_equal(
        pr.wiener(same(IMAGE), same(GAUSSIAN), noise=0.1), pr.wiener(IMAGE, GAUSSIAN, noise=0.1)
    )
