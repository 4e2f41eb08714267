"""Slices as pixels: magnified by a whole number, the right way up, on the scale of the bar."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from physrecon.pictures.panels import PIXELS, Panel, panels_png
from physrecon.pictures.sheet import BLUE_TO_RED, GREYS, color_table, colored, ticks


def pixels(*panels, **given):
    return np.asarray(Image.open(BytesIO(panels_png(panels, "mm", "value", **given))))


def panel(image, pitch=(1.0, 1.0), **given):
    return Panel(np.asarray(image, float), pitch, ("y", "x"), "name", **given)


@pytest.mark.parametrize("row_0_on_top", [False, True])
@pytest.mark.parametrize("shape, pitch", [((54, 45), (1, 1)), ((27, 45), (2, 1))])
def test_a_voxel_is_a_whole_number_of_pixels(shape, pitch, row_0_on_top):
    image = np.random.default_rng(0).uniform(0.2, 0.7, shape)
    sheet = pixels(panel(image, pitch), window=(0.0, 1.0), row_0_on_top=row_0_on_top)
    zoom = PIXELS // 54
    body = np.repeat(np.repeat(image, zoom * pitch[0], 0), zoom * pitch[1], 1)
    body = np.floor(256 * (body if row_0_on_top else body[::-1]))
    high, wide = body.shape
    black = np.all(sheet == 0, axis=2)  # the frame around the slice
    top, left = (np.flatnonzero(black.sum(k) > n)[0] + 1 for k, n in ((1, wide), (0, high)))
    got = sheet[top : top + high, left : left + wide]
    upper = high - 60  # the scale bar lies below
    assert np.array_equal(got[:upper, :, 0], body[:upper])
    assert np.ptp(got[:upper].astype(int), axis=2).max() == 0


def test_values_beyond_the_window_are_black_and_white_and_none_is_white():
    values = np.array([[-np.inf, -1.0, 0.5, 2.0, np.inf, np.nan]])
    grey = np.asarray(colored(values, 0.0, 1.0, color_table(GREYS)))[0, :, 0]
    assert grey.tolist() == [0, 0, 128, 255, 255, 255]


def test_a_difference_is_blue_below_zero_and_red_above():
    table = color_table(BLUE_TO_RED)
    below, zero, above = np.asarray(colored(np.array([[-1.0, 0.0, 1.0]]), -1, 1, table))[0]
    assert below[2] > below[0] and above[0] > above[2] and np.ptp(zero.astype(int)) < 4


@pytest.mark.parametrize(
    "low, high, texts",
    [
        (-2.56, 2.56, ["−2", "−1", "0", "1", "2"]),
        (0.0, 1e-4, ["0", "2e−05", "4e−05", "6e−05", "8e−05", "0.0001"]),
        (
            1000.0,
            1000.001,
            ["1000", "1000.0002", "1000.0004", "1000.0006", "1000.0008", "1000.001"],
        ),
        (-234.0, 234.0, ["−200", "−100", "0", "100", "200"]),
    ],
)
def test_ticks_are_round_and_differ(low, high, texts):
    assert [text for _, text in ticks(low, high, 8)] == texts


@pytest.mark.parametrize("size", [1e-30, 1e-4, 1.0, 1e30])
@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3), (40, 40)])
def test_any_slice_has_a_picture(shape, size):
    for image in (np.full(shape, size), np.full(shape, np.nan), -size * np.ones(shape)):
        pitch = (size, size / 1000)
        assert pixels(panel(image, pitch), panel(image * 0, pitch, difference=True)).size
