"""Read photos: PNG and JPEG by Pillow, grey (YX) or colour (CYX), 8 or 16 bits.

Values are those of the file.  A photo is usually sRGB, whose values are not proportional to the
light on the sensor (value ≈ light^(1/2.2)).  This is noted; `linearise` undoes it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from physrecon.errors import DataError
from physrecon.io.content import JPEG, PNG, Content
from physrecon.io.images.stored_image import StoredImage, parsing

if TYPE_CHECKING:
    from PIL import Image as Pillow

ORIENTATION = 0x0112  # EXIF
GREY = {"1", "LA", "La"}
COLOUR = {"P", "PA", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"}
DEEP = (b"\x10\2", b"\x10\4", b"\x10\6")  # bytes of a PNG header: 16 bits in colour or with alpha
GAMMA = (
    "values: sRGB most likely, not proportional to light; for counts give --linearise srgb, or use "
    "a raw image"
)


def read(path: Path, content: Content, _dataset: str | None) -> StoredImage | None:
    """The photo in a PNG or JPEG file, decoded; None for other files.

    Raises DataError.  Holds the photo."""
    kind = {PNG: "png", JPEG: "jpeg"}.get(content.kind)
    if kind is None:
        return None
    _check_depth(path, content)
    from PIL import Image as Pillow

    notes: list[str] = []
    with parsing(path, kind.upper()), warnings.catch_warnings():
        warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # the error is caught
        try:
            photo: Pillow.Image = Pillow.open(path, formats=[kind.upper()])
        except Pillow.DecompressionBombError as error:
            raise DataError(
                f"{path}: expected a photo of at most {2 * (Pillow.MAX_IMAGE_PIXELS or 0)} pixels, "
                f"got {error}; if you trust the file, convert it to TIFF."
            ) from error
        with photo:
            values = np.asarray(_plain(photo, notes))
    if values.dtype == np.int32:  # older Pillow returns 16 bits as int32
        values = values.astype(np.uint16)
    if values.dtype == np.uint8:
        notes.append(GAMMA)
    if values.ndim == 3:
        values = np.ascontiguousarray(np.moveaxis(values, -1, 0))
    axes = "CYX" if values.ndim == 3 else "YX"
    image = StoredImage(
        path, kind, axes, values.shape, values.dtype, lambda key: values[key], lambda: None
    )
    return image.with_notes(*notes).with_named_axes()


def _plain(photo: Pillow.Image, notes: list[str]) -> Pillow.Image:
    """The photo upright, grey or RGB, without alpha; each change is added to `notes`."""
    from PIL import ImageOps

    frames = getattr(photo, "n_frames", 1)
    if frames > 1:
        notes.append(f"frames: the first of {frames} is used")
    turned = photo.getexif().get(ORIENTATION, 1)
    if turned in range(2, 9):
        notes.append(f"orientation: turned upright as EXIF says ({turned})")
    photo = ImageOps.exif_transpose(photo)
    if "A" in photo.mode or "a" in photo.mode or "transparency" in photo.info:
        notes.append("alpha: dropped")
    if photo.mode in ("P", "PA"):
        notes.append("palette: converted to RGB")
    if photo.mode == "CMYK":
        notes.append("CMYK: converted to RGB")
    if photo.mode in COLOUR:
        return photo.convert("RGB")
    return photo.convert("L") if photo.mode in GREY else photo


def _check_depth(path: Path, content: Content) -> None:
    """Raise DataError for a 16-bit PNG of several channels: Pillow would drop 8 bits silently."""
    if content.kind == PNG and content.head[24:26] in DEEP:
        raise DataError(
            f"{path}: expected a PNG of 8 bits, or grey of 16, got one of 16 bits with several "
            "channels, of which only 8 bits would be read; save it as TIFF."
        )
