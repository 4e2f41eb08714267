"""The manifest of the napari plugin, its reader and its samples, without napari."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import physrecon as pr
from physrecon.napari_plugin import get_reader

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ROOT / "physrecon/napari.json"
# The parts of the npe2 schema 0.2.1 that the manifest has: required, all.
KEYS = {
    "manifest": ({"name"}, {"display_name", "schema_version", "contributions"}),
    "commands": ({"id", "title", "python_name"}, set()),
    "readers": ({"command"}, {"filename_patterns", "accepts_directories"}),
    "sample_data": ({"command", "key", "display_name"}, set()),
}


def manifest():
    return json.loads(MANIFEST.read_text(encoding="utf-8"))


def test_npe2_accepts_the_manifest():
    npe2 = pytest.importorskip("npe2", reason="npe2 is not installed (extra [test])")
    found = npe2.PluginManifest.from_file(MANIFEST)
    found.validate_imports()
    assert found.name == "physrecon" and found.contributions.readers


def test_every_command_of_the_manifest_is_there():
    found = manifest()
    commands = {entry["id"]: entry for entry in found["contributions"]["commands"]}
    for kind, entries in {"manifest": [found], **found["contributions"]}.items():
        required, more = KEYS[kind]
        for entry in entries:
            assert required <= set(entry) <= required | more, entry
            assert entry.get("command", next(iter(commands))) in commands
    for name, entry in commands.items():
        assert name.startswith("physrecon.")
        module, function = entry["python_name"].split(":")
        assert callable(getattr(import_module(module), function))


def test_the_entry_point_names_the_manifest():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["napari.manifest"] == {"physrecon": f"physrecon:{MANIFEST.name}"}


def test_neither_napari_nor_a_picture_is_imported():
    code = "import physrecon.napari_plugin, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"napari", "npe2", "matplotlib", "qtpy"} & set(done.stdout.split())


def layers(path):
    return get_reader(str(path))(str(path))


def test_a_volume_is_one_layer_that_is_read_plane_by_plane(here):
    values = np.random.default_rng(0).random((4, 6, 5)).astype(np.float32)
    pr.write_image("v.h5", values, "ZYX", (0.3, 0.1, 0.1), "um")
    ((data, facts, kind),) = layers("v.h5")
    assert kind == "image" and facts["scale"] == (0.3, 0.1, 0.1) and facts["name"] == "v.h5"
    assert facts["metadata"]["length_unit"] == "um"
    assert data.shape == (4, 6, 5) and data.ndim == 3 and data.size == 120
    np.testing.assert_array_equal(data[np.int64(2)], values[2])
    np.testing.assert_array_equal(data[(slice(None), 3, slice(None))], values[:, 3])
    np.testing.assert_array_equal(np.asarray(data), values)


def test_channels_are_layers_and_times_an_axis(here):
    values = np.random.default_rng(0).integers(0, 99, (3, 2, 4, 6, 5)).astype(np.uint16)
    pr.write_image("s.tif", values, "TCZYX", (0.3, 0.1, 0.1), "um")
    found = layers("s.tif")
    assert len(found) == 2 and found[1][1]["scale"] == (1.0, 0.3, 0.1, 0.1)
    for c, (data, _, _) in enumerate(found):
        assert data.shape == (3, 4, 6, 5)
        np.testing.assert_array_equal(data[1, 2], values[1, c, 2])
        np.testing.assert_array_equal(np.asarray(data), values[:, c])


def test_other_files_are_left_to_others(here):
    Path("x.tif").write_text("no image")
    assert get_reader("x.tif") is None and get_reader("none.h5") is None
    assert get_reader(["a.tif", "b.tif"]) is None


def test_samples_are_small_layers():
    plugin = import_module("physrecon.napari_plugin")
    for sample in (plugin.sample_volume(), plugin.sample_stack()):
        for data, facts, kind in sample:
            assert kind == "image" and data.nbytes < 4 << 20 and np.isfinite(data).all()
            assert len(facts.get("scale", data.shape)) == data.ndim
