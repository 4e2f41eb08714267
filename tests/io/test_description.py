"""The description of an image: a summary for people, texts for programs."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import tifffile

from physrecon.io import open_image, write_image
from physrecon.io.made import parsed, texts_of, with_summary

TEXTS = """physrecon 0.1.0
host there
stopped {"0": [7, "stopped at the limit"]}

kind = "deconvolve"
input = "/far/away/cells.tif"
psf = "gaussian:sigma=2"
method = "rl"

[stop]
iterations = 7
"""


def test_people_read_a_summary_and_programs_the_texts(tmp_path):
    description = with_summary(TEXTS)
    for name in ("o.tif", "o.ome.tif", "o.h5"):
        write_image(tmp_path / name, np.ones((4, 5), "f4"), "YX", description=description)
        assert texts_of(tmp_path / name) == parsed(TEXTS)
    with tifffile.TiffFile(tmp_path / "o.ome.tif") as file:
        root = ElementTree.fromstring(file.ome_metadata)
    summary = root.find("{*}Image").findtext("{*}Description")
    assert summary.splitlines() == [
        "Deconvolved from cells.tif by physrecon 0.1.0",
        "method: rl",
        "iterations: 7, stopped at the limit",
        "psf: gaussian:sigma=2 (given)",
    ]
    note = root.find("{*}StructuredAnnotations").find("{*}MapAnnotation")
    pairs = {node.get("K"): node.text for node in note.findall(".//{*}M")}
    assert note.get("Namespace") == "physrecon" and pairs["host"] == "there"
    assert root.find("{*}Image").find("{*}AnnotationRef").get("ID") == note.get("ID")
    with tifffile.TiffFile(tmp_path / "o.tif") as file:
        assert file.imagej_metadata["Info"].startswith(summary)


def test_a_description_of_another_program_stays_as_it_is(tmp_path):
    write_image(tmp_path / "o.ome.tif", np.ones((4, 5)), "YX", description="a <b> & c\n\nd")
    with open_image(tmp_path / "o.ome.tif") as image:
        assert image.description == "a <b> & c\n\nd" and parsed(image.description) == {}
