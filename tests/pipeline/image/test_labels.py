"""Channels, times and units of an image are those of its result, in each format."""

from __future__ import annotations

from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
import tifffile
from blurred_images import PSF, blurred, command, scene

from physrecon.io import open_image, write_image

NAMES, COLORS, WAVES = ["DAPI", "GFP & µ"], [255, -16776961], [461.0, 509.5]


def series(axes):
    shape = [{"T": 3, "C": 2}[name] for name in axes[:-2]]
    one = blurred(scene((24, 26)))
    return np.broadcast_to(one, (*shape, *one.shape)).astype(np.uint16)


@pytest.fixture(autouse=True)
def psf(here):
    write_image("p.tif", PSF, "YX")


def run(image, output, *options):
    assert command("--method", "wiener", *options, image=image, output=output) == 0


def ome(axes="TCYX", **more):
    data = series(axes)
    metadata = {"axes": axes, "Name": "cells", "AcquisitionDate": "2024-05-06T07:08:09"}
    metadata["Channel"] = {
        "Name": NAMES, "Color": COLORS, "EmissionWavelength": WAVES,
        "EmissionWavelengthUnit": ["nm", "nm"],
    }  # fmt: skip
    tifffile.imwrite("i.ome.tif", data, ome=True, metadata=metadata | more)
    return data


def xml(path):
    """(attributes of the image, of its pixels, of the channels, of the planes)"""
    with tifffile.TiffFile(path) as file:
        root = ElementTree.fromstring(file.ome_metadata)
    image = root.find("{*}Image")
    pixels = image.find("{*}Pixels")
    channels = [node.attrib for node in pixels.findall("{*}Channel")]
    date = image.findtext("{*}AcquisitionDate")
    return image.attrib | {"date": date}, pixels.attrib, channels, pixels.findall("{*}Plane")


def test_ome_stays_ome_with_its_channels_and_interval():
    ome(TimeIncrement=2.5, TimeIncrementUnit="min")
    run("i.ome.tif", "o.tif")
    image, pixels, channels, _ = xml("o.tif")
    assert image["Name"] == "cells" and image["date"] == "2024-05-06T07:08:09"
    assert float(pixels["TimeIncrement"]) == 150 and pixels["TimeIncrementUnit"] == "s"
    assert [c["Name"] for c in channels] == NAMES
    assert [int(c["Color"]) for c in channels] == COLORS
    assert [float(c["EmissionWavelength"]) for c in channels] == WAVES
    with open_image("o.tif") as result, open_image("i.ome.tif") as source:
        assert result.labels.names == source.labels.names
        assert result.labels.times == source.labels.times == (0, 150, 300)


def test_times_of_planes_and_a_part_of_the_frames():
    times = [0.5, 0.5, 1.0, 1.0, 9.0, 9.0]  # both channels of each frame
    ome(Plane={"DeltaT": times, "DeltaTUnit": ["s"] * 6})
    run("i.ome.tif", "o.tif", "--frames", "1:3")
    _, _, channels, planes = xml("o.tif")
    assert [float(node.get("DeltaT")) for node in planes] == [1, 1, 9, 9]
    assert [c["Name"] for c in channels] == NAMES
    run("i.ome.tif", "o.h5")
    with open_image("o.h5") as result:
        assert result.labels.names == tuple(NAMES) and result.labels.times == (0.5, 1.0, 9.0)
    run("o.h5", "again.tif", "--frames", "0:2")
    with open_image("again.tif") as result:  # ImageJ's, which has one interval
        assert result.format == "imagej" and result.labels.times == (0, 0.5)
        assert result.labels.planes == (*NAMES, *NAMES)


def test_a_part_of_the_channels():
    ome("CYX")
    run("i.ome.tif", "o.tif", "--frames", "1:2")
    assert [c["Name"] for c in xml("o.tif")[2]] == NAMES[1:]


def test_imagej_keeps_labels_and_interval():
    data = series("TCYX")[:, None]  # T Z C
    texts = [f"t{t} c{c}" for t in range(3) for c in range(2)]
    facts = {"axes": "TZCYX", "finterval": 0.25, "Labels": texts, "unit": "um"}
    tifffile.imwrite("i.tif", data, imagej=True, metadata=facts)
    run("i.tif", "o.tif")
    with tifffile.TiffFile("o.tif") as file:
        found = file.imagej_metadata
    assert found["Labels"] == texts and float(found["finterval"]) == 0.25
    run("i.tif", "some.tif", "--frames", "2:3")
    with tifffile.TiffFile("some.tif") as file:
        assert file.imagej_metadata["Labels"] == texts[4:]


def test_the_unit_of_values_is_kept():
    with h5py.File("i.h5", "w") as file:
        file["data"] = series("YX")
        file["data"].attrs["units"] = "photon"
    run("i.h5", "o.h5")
    with h5py.File("o.h5") as file:
        assert file["data"].attrs["units"] == "photon"
    run("i.h5", "o.tif")
    with tifffile.TiffFile("o.tif") as file:
        assert "values photon" in file.imagej_metadata["Info"]


@pytest.mark.parametrize("damage", [
    {"Plane": {"DeltaT": [1] * 6, "DeltaTUnit": ["fortnight"] * 6}},
    {"TimeIncrement": "nan"}, {"Channel": {"Name": ["", ""]}},
])  # fmt: skip
def test_what_cannot_be_understood_is_left_out(damage):
    ome(**damage)
    run("i.ome.tif", "o.tif")
    with open_image("o.tif") as result:
        assert result.labels.times == ()
