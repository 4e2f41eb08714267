"""Photos: PNG and JPEG."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from image_files import numbers, refused
from PIL import Image as Pillow

from physrecon.io import open_image

GREY, COLOUR = numbers(5, 6, dtype="u1"), numbers(5, 6, 3, dtype="u1")
ALPHA = np.full((5, 6, 1), 9, "u1")
PHOTOS = {  # (pixels, mode, the array, a word of the notes)
    "grey": (GREY, "L", GREY, "sRGB"),
    "grey 16": (numbers(5, 6) * 999, "I;16", numbers(5, 6) * 999, ""),
    "grey, alpha": (np.dstack([GREY, ALPHA]), "LA", GREY, "alpha"),
    "RGB": (COLOUR, "RGB", np.moveaxis(COLOUR, -1, 0), "sRGB"),
    "RGBA": (np.dstack([COLOUR, ALPHA]), "RGBA", np.moveaxis(COLOUR, -1, 0), "alpha"),
    "bits": (GREY % 2 == 0, "1", (GREY % 2 == 0) * np.uint8(255), ""),
}


@pytest.mark.parametrize("case", PHOTOS)
def test_png(tmp_path, case):
    pixels, mode, expected, word = PHOTOS[case]
    photo = Pillow.fromarray(pixels)
    assert photo.mode == mode
    photo.save(tmp_path / "p.png")
    with open_image(tmp_path / "p.png") as image:
        assert image.axes == ("CYX" if expected.ndim == 3 else "YX") and image.format == "png"
        np.testing.assert_array_equal(image[...], expected)
        assert image[...].dtype == expected.dtype and word in str(image.notes)
        assert image.voxel_size == (1, 1) and image.length_unit is None


def test_palette_and_orientation(tmp_path):
    Pillow.fromarray(COLOUR).quantize(256).save(tmp_path / "p.png")
    with open_image(tmp_path / "p.png") as image:
        np.testing.assert_allclose(image[...], np.moveaxis(COLOUR, -1, 0), atol=4)
        assert "palette" in str(image.notes)
    half = np.zeros((16, 32), "u1")
    half[:, 16:] = 255  # right half bright
    exif = Pillow.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise: the right goes to the bottom
    Pillow.fromarray(half).save(tmp_path / "p.jpg", exif=exif, quality=95)
    with open_image(tmp_path / "p.jpg") as image:
        assert image.shape == (32, 16) and "EXIF" in str(image.notes) and image.format == "jpeg"
        assert image[:16].max() < 20 and image[16:].min() > 235


def test_photos_that_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "p.png"
    Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (50, 60), "u1")).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refused(path, "copy it again")
    path.write_bytes(content[:100] + b"abc" + content[103:])
    refused(path, "copy it again")
    path.write_bytes(content)
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 1000)
    refused(path, "2000 pixels", "3000 pixels")


def test_sixteen_bits_of_colour_are_not_cut_to_eight(tmp_path):
    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in numbers(2, 3, 3))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 3, 2, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
    )
    content = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*p) for p in (*parts, (b"IEND", b"")))
    (tmp_path / "p.png").write_bytes(content)
    assert np.asarray(Pillow.open(tmp_path / "p.png")).dtype == np.uint8  # what would be read
    refused(tmp_path / "p.png", "16 bits", "TIFF")
