"""What a file states of an image besides axes and lengths: channels, times, the unit of values.

OME: the attributes of Channel, DeltaT or TimeIncrement, Name and AcquisitionDate of the image.
ImageJ: `Labels` of the planes and the frame interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree

import numpy as np

# Attributes of an OME channel that are written again; IDs and references are not.
OF_CHANNEL = (
    *("Name", "AcquisitionMode", "Color", "ContrastMethod", "Fluor", "IlluminationType"),
    *("EmissionWavelength", "EmissionWavelengthUnit", "ExcitationWavelength"),
    *("ExcitationWavelengthUnit", "NDFilter", "PinholeSize", "PinholeSizeUnit"),
)
OF_IMAGE = ("Name", "AcquisitionDate")
CHANNELS, TIMES = "channel_names", "times_s"  # attributes in HDF5
SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "µs": 1e-6, "min": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Labels:
    """channels: attributes of each, such as its Name.  times: seconds, of each frame in time.
    planes: a text for each plane, in the order of `axes`, such as "TCZ".
    value_unit: of the values.  image: attributes of the whole."""

    channels: tuple[Mapping[str, str], ...] = ()
    times: tuple[float, ...] = ()
    planes: tuple[str, ...] = ()
    axes: str = ""
    lengths: tuple[int, ...] = ()
    value_unit: str = ""
    image: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the channels; empty if none is stated."""
        names = tuple(channel.get("Name", "") for channel in self.channels)
        return names if any(names) else ()

    def part(self, axis: str, run: slice) -> Labels:
        """The labels of a part along one axis."""
        changes: dict[str, Any] = {}
        if axis == "C":
            changes["channels"] = self.channels[run]
        if axis == "T":
            changes["times"] = self.times[run]
        if axis in self.axes:
            at = self.axes.index(axis)
            planes = np.array(self.planes, object).reshape(self.lengths)
            planes = planes[(slice(None),) * at + (run,)]
            changes |= {"planes": tuple(planes.ravel()), "lengths": planes.shape}
        return replace(self, **changes)

    def planes_as(self, axes: str) -> list[str]:
        """The texts of the planes in another order of their axes; empty if they do not fit."""
        order = [self.axes.find(name) for name in axes]
        if not self.planes or sorted(order) != list(range(len(self.axes))):
            return []
        planes = np.array(self.planes, object).reshape(self.lengths)
        return [str(text) for text in planes.transpose(order).ravel()]


def of_ome(text: str, sizes: Mapping[str, int]) -> Labels:
    """The labels of the first image of an OME description.  sizes: of the axes, by letter."""
    root = ElementTree.fromstring(text)
    image = next((node for node in root.iter() if node.tag.endswith("}Image")), None)
    if image is None:
        return Labels()
    pixels = next((node for node in image if node.tag.endswith("}Pixels")), image)
    channels = [
        {name: node.attrib[name] for name in OF_CHANNEL if name in node.attrib}
        for node in pixels
        if node.tag.endswith("}Channel")
    ]
    about = {name: image.attrib[name] for name in OF_IMAGE if name in image.attrib}
    date = next((node.text for node in image if node.tag.endswith("}AcquisitionDate")), None)
    about |= {"AcquisitionDate": date} if date else {}
    fits = len(channels) == sizes.get("C", 1) and any(channels)
    return Labels(
        channels=tuple(channels) if fits else (),
        times=_times_of_ome(pixels, sizes.get("T", 1)),
        image=about,
    )


def _times_of_ome(pixels: Any, count: int) -> tuple[float, ...]:
    """Seconds of the first plane of each frame: DeltaT, else multiples of TimeIncrement."""
    found: dict[int, float] = {}
    for node in pixels:
        if node.tag.endswith("}Plane") and node.get("TheC") == node.get("TheZ") == "0":
            with suppress(ValueError, KeyError, TypeError):
                unit = SECONDS[node.get("DeltaTUnit", "s")]
                found[int(node.get("TheT"))] = float(node.get("DeltaT")) * unit
    if sorted(found) == list(range(count)) and count > 1:
        return _finite(found[t] for t in range(count))
    with suppress(ValueError, KeyError, TypeError):
        step = float(pixels.get("TimeIncrement")) * SECONDS[pixels.get("TimeIncrementUnit", "s")]
        return _finite(step * t for t in range(count)) if count > 1 else ()
    return ()


def of_imagej(meta: Mapping[str, Any], axes: str, sizes: Mapping[str, int]) -> Labels:
    """The labels in the description of ImageJ, whose planes have the order of `axes`."""
    times: tuple[float, ...] = ()
    with suppress(ValueError, KeyError, TypeError):
        step = float(meta["finterval"]) * SECONDS.get(str(meta.get("tunit", "sec")), math.nan)
        times = _finite(step * t for t in range(sizes["T"])) if step > 0 else ()
    planes: Sequence[Any] = meta.get("Labels") or ()
    order = "".join(name for name in axes if name in "TZC")
    lengths = tuple(sizes[name] for name in order)
    fits = len(planes) == math.prod(lengths) and any(planes)
    if not fits:
        return Labels(times=times)
    return Labels(times=times, planes=tuple(map(str, planes)), axes=order, lengths=lengths)


def _finite(times: Any) -> tuple[float, ...]:
    values = tuple(float(f"{t:.12g}") for t in times)
    return values if all(map(math.isfinite, values)) else ()
