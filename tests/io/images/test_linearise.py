"""sRGB values made proportional to light: the values of IEC 61966-2-1, by hand."""

from __future__ import annotations

import numpy as np
import pytest

import physrecon as pr


def read(values, **options):
    pr.write_image("photo.tif", np.asarray(values), "YX", overwrite=True)
    with pr.open_image("photo.tif", linearise="srgb", **options) as image:
        return image.read(), image


def test_light_of_sixteen_bits(here):
    # 0.04045 / 12.92 = 0.0031308, and ((0.5 + 0.055) / 1.055)^2.4 = 0.21404
    values, image = read(np.array([[0, 2651, 32768, 65535]], np.uint16))
    assert image.dtype == np.float32
    assert values[0] / 65535 == pytest.approx([0, 0.0031308, 0.21405, 1], rel=1e-4)
    assert any("sRGB" in note for note in image.notes)


def test_floats_have_the_full_scale_one(here):
    values, _ = read(np.array([[0.0, 0.5, 1.0]], np.float32))
    assert values[0] == pytest.approx([0, 0.21404, 1], rel=1e-4)
    with pytest.raises(pr.DataError, match="expected sRGB values of 0 to 1"):
        read(np.array([[0.0, 0.5, 1.5]], np.float32))


def test_an_unknown_curve_is_refused(here):
    pr.write_image("photo.tif", np.ones((3, 3), np.float32), "YX")
    with pytest.raises(pr.ArgumentError, match="linearise: expected one of srgb"):
        pr.open_image("photo.tif", linearise="rec709")
