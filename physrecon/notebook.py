"""How objects show themselves in a notebook: their text, and a thumbnail beside it."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 192  # pixels of a thumbnail's longer side


def html(text: str, image: NDArray[Any] | None = None) -> str:
    """The text, and the middle plane of a real array of two axes or more as a picture."""
    shown = f"<pre style='margin:0'>{escape(text)}</pre>"
    if image is None or image.ndim < 2 or not image.size:
        return shown
    data = base64.b64encode(thumbnail(image)).decode()
    return f"{shown}<img alt='thumbnail' src='data:image/png;base64,{data}'>"


def thumbnail(image: NDArray[Any]) -> bytes:
    """The middle plane as PNG, grey between the percentiles 0.5 and 99.5 of its finite values."""
    from PIL import Image

    planes = image.reshape(-1, *image.shape[-2:])
    plane = planes[len(planes) // 2]
    step = [-(-n // (2 * SIDE)) for n in plane.shape]  # the rest of the way is averaged
    plane = np.asarray(plane[:: step[0], :: step[1]], np.float64)
    finite = plane[np.isfinite(plane)]
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
    grey = np.clip((np.nan_to_num(plane) - low) / ((high - low) or 1), 0, 1) * 255
    picture = Image.fromarray(grey.astype(np.uint8))
    scale = SIDE / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    file = io.BytesIO()
    picture.resize(size, how).save(file, "PNG")
    return file.getvalue()


def one_line(array: Any) -> str:
    """Shape, dtype and range of an array, or of each array of a tuple."""
    if isinstance(array, tuple):
        return f"({', '.join(map(one_line, array))})"
    text = f"{tuple(array.shape)} {array.dtype}"
    return f"{text}, {float(array.min()):.4g} … {float(array.max()):.4g}" if array.size else text
