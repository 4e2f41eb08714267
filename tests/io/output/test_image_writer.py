"""Images out: what Fiji, napari and NeXus viewers will find; kills and full disks on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc

import h5py
import numpy as np
import pytest
import tifffile

from physrecon.errors import ArgumentError, OutputError, PhysreconError, WriteError
from physrecon.geometry.grid import Grid
from physrecon.io import (
    ImageWriter,
    VolumeWriter,
    describe,
    image_bytes,
    open_image,
    open_volume,
    stored_bytes,
    write_image,
)
from physrecon.io.output.image_layout import ImageLayout
from physrecon.io.output.tiff_file import TiffLayout, TiffSink

SIZES = {"T": 2, "C": 3, "S": 3, "Z": 4, "Y": 5, "X": 6}
PITCH = {"Z": 0.3, "Y": 0.13, "X": 0.065}


def picture(axes: str, dtype: str = "f4") -> np.ndarray:
    shape = [SIZES[name] for name in axes]
    return np.random.default_rng(0).normal(100, 30, shape).astype(dtype)


def pitch(axes: str) -> tuple[float, ...]:
    return tuple(PITCH[name] for name in axes if name in PITCH)


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


FORMATS = [
    (name, axes, dtype)
    for name in ("i.tif", "i.ome.tif", "i.h5")
    for axes in ("YX", "ZYX", "TYX", "CZYX", "TCZYX", "CTZYX", "SYX", "TSZYX")
    for dtype in ("f4", "u2")
] + [("i.tif", "TZYX", "f8"), ("i.tif", "ZYX", "i4"), ("i.tif", "ZYX", "u1"), ("i.h5", "YX", "f8")]


@pytest.mark.parametrize(("name", "axes", "dtype"), FORMATS)
def test_round_trip(tmp_path, name, axes, dtype):
    data = picture(axes, dtype)
    write_image(tmp_path / name, data, axes, pitch(axes), "um", description="how <it> was made µ")
    assert names(tmp_path) == {name}
    with open_image(tmp_path / name) as image:
        # ImageJ has but one order of axes, T before C
        order = [axes.index(a) for a in image.axes]
        assert sorted(image.axes) == sorted(axes) and (image.axes == axes or axes == "CTZYX")
        np.testing.assert_array_equal(image[...], data.transpose(order))
        assert image.dtype == data.dtype and image.length_unit == "um"
        assert image.voxel_size == pytest.approx(pitch(axes), rel=1e-6)
        assert image.notes == []


def test_fiji_finds_a_hyperstack_with_its_voxel_size(tmp_path):
    """What ImageJ's TIFF reader goes by: the description, and the resolution tags of page one."""
    data = picture("TCZYX")
    write_image(tmp_path / "i.tif", data, "TCZYX", pitch("ZYX"), "um", "RL, 20 iterations")
    with tifffile.TiffFile(tmp_path / "i.tif") as file:
        meta, tags = file.imagej_metadata, file.pages[0].tags
        assert file.series[0].axes == "TZCYX" and file.series[0].dataoffset is not None
        np.testing.assert_array_equal(file.asarray(), data.swapaxes(1, 2))
    stated = {"images": 24, "channels": 3, "slices": 4, "frames": 2, "hyperstack": True}
    stated |= {"spacing": 0.3, "unit": r"\u00B5m", "Info": "RL, 20 iterations"}
    assert {name: meta[name] for name in stated} == stated
    for tag, size in (("XResolution", 0.065), ("YResolution", 0.13)):
        count, length = tags[tag].value
        assert length / count == pytest.approx(size, rel=1e-6)
    assert tags["ResolutionUnit"].value == 1


def test_ome_where_it_is_asked_for_or_needed(tmp_path):
    kinds = {}
    for name, data, options in (
        ("asked.ome.tif", picture("ZYX"), {}),
        ("given.tif", picture("ZYX"), {"ome": True}),
        ("double.tif", picture("ZYX", "f8"), {}),
        ("single.tif", picture("ZYX"), {}),
    ):
        write_image(tmp_path / name, data, "ZYX", pitch("ZYX"), "nm", **options)
        with open_image(tmp_path / name) as image:
            kinds[name] = image.format
            unit, scale = ("nm", 1) if image.format == "imagej" else ("um", 1e-3)
            lengths = [scale * length for length in pitch("ZYX")]
            assert image.length_unit == unit and image.voxel_size == pytest.approx(lengths)
    assert list(kinds.values()) == ["ome", "ome", "ome", "imagej"]
    with tifffile.TiffFile(tmp_path / "asked.ome.tif") as file:
        text = file.ome_metadata
        tags = file.pages[0].tags
    for words in ('PhysicalSizeX="6.5e-05"', 'PhysicalSizeZ="0.0003"', 'PhysicalSizeZUnit="µm"'):
        assert words in text
    count, length = tags["XResolution"].value  # pixels per cm
    assert tags["ResolutionUnit"].value == 3 and count / length == pytest.approx(1e7 / 0.065)


def test_more_than_four_gigabytes_become_a_big_ome_tiff(tmp_path):
    path, shape = tmp_path / "i.tif", (1100, 1024, 1024)
    image = ImageLayout(shape, np.dtype("f4"), "ZYX", (1.0, 1.0, 1.0))
    layout = TiffLayout.of(path, image, ome=False)
    sink = TiffSink(path, image, layout)  # as empty as the file system lets it be
    plane = np.full((1, 1024, 1024), 7, "f4")
    sink.put((), 1099, plane)
    sink.finish()
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff and file.is_ome
    with open_image(path) as image:
        assert image.shape == shape and image.nbytes > 2**32
        assert (image[1099] == 7).all() and not image[1098].any()


def test_pixels_without_a_unit_keep_their_ratio(tmp_path):
    for name in ("i.tif", "i.ome.tif", "i.h5"):
        write_image(tmp_path / name, picture("ZYX"), "ZYX", (3, 1, 1))
        with open_image(tmp_path / name) as image:
            assert image.voxel_size == (3, 1, 1) and image.length_unit is None and not image.notes


def test_a_stack_in_hdf5_is_a_volume(tmp_path):
    path, data = tmp_path / "i.h5", picture("ZYX")
    write_image(path, data, "ZYX", pitch("ZYX"), "um", "made so")
    with open_volume(path) as volume:
        np.testing.assert_array_equal(volume[:], data)
        assert volume.voxel_size == pitch("ZYX") and volume.length_unit == "um"
        assert volume.configuration == {"description": "made so"}
    assert "reconstructed volume" in describe(path)[0]
    assert path.stat().st_size == pytest.approx(stored_bytes(data.shape, "f4"), rel=0.2)


def test_more_axes_in_hdf5_open_in_viewers(tmp_path):
    path, data = tmp_path / "i.hdf5", picture("TCYX")
    write_image(path, data, "TCYX", pitch("YX"), "um")
    with h5py.File(path) as file:
        node = file
        while "default" in node.attrs:
            node = node[node.attrs["default"]]
        assert node.attrs["NX_class"] == "NXdata" and list(node.attrs["axes"]) == list("tcyx")
        for name, size in zip("tcyx", data.shape, strict=True):
            at = np.arange(size)
            expected = (at - (size - 1) / 2) * PITCH[name.upper()] if name in "yx" else at
            np.testing.assert_allclose(node[name], expected)
        for place in (node[node.attrs["signal"]], file["data"], file["exchange/data"]):
            np.testing.assert_array_equal(place, data)
            assert place.fletcher32
    assert "HDF5 image TCYX (2, 3, 5, 6) float32" in describe(path)[0]


@pytest.mark.parametrize("name", ["i.tif", "i.ome.tif", "i.h5"])
def test_planes_in_any_order_make_the_same_image(tmp_path, name):
    data = picture("TCZYX")
    with ImageWriter(tmp_path / name, data.shape, "f4", "TCZYX") as out:
        for index in [(1, 2), (0, 0), (0, 1), (1, 1), (1, 0), (0, 2)]:
            for planes in (slice(3, 4), slice(0, 2), slice(2, 3)):
                out.write_planes(index, planes, data[(*index, planes)].astype("f8"))
        out.finish()
    with open_image(tmp_path / name) as image:
        np.testing.assert_array_equal(image[...], data)


@pytest.mark.parametrize("name", ["i.tif", "i.h5"])
def test_a_missing_plane_is_never_air(tmp_path, name):
    data = picture("TZYX")
    with (
        pytest.raises(PhysreconError, match="all 8 planes, got none for 1"),
        ImageWriter(tmp_path / name, data.shape, "f4", "TZYX") as out,
    ):
        out.write((0,), data[0])
        out.write_planes((1,), slice(0, 3), data[1, :3])
        out.finish()
    assert names(tmp_path) == set()


@pytest.mark.parametrize("name", ["i.tif", "i.h5"])
def test_writing_holds_no_stack(tmp_path, name):
    plane = np.ones((256, 256), "f4")
    with ImageWriter(tmp_path / name, (40, 256, 256), "f4", "ZYX") as out:
        out.write_planes((), slice(0, 1), plane[None])
        tracemalloc.start()
        try:
            for z in range(1, 40):
                out.write_planes((), slice(z, z + 1), plane[None])
            assert tracemalloc.get_traced_memory()[1] < 6 * plane.nbytes
        finally:
            tracemalloc.stop()
        out.finish()


@pytest.mark.parametrize("name", ["i.tif", "i.h5"])
def test_a_finished_image_is_kept_until_the_new_one_is_complete(tmp_path, name):
    path, old, new = tmp_path / name, picture("ZYX"), picture("ZYX") + 1
    write_image(path, old, "ZYX")
    before = path.read_bytes()
    with pytest.raises(OutputError, match="--overwrite") as raised:
        write_image(path, new, "ZYX")
    assert raised.value.exit_code == 73
    with pytest.raises(KeyError), ImageWriter(path, new.shape, "f4", "ZYX", overwrite=True) as out:
        out.write((), new)
        raise KeyError
    assert path.read_bytes() == before and names(tmp_path) == {name}
    write_image(path, new, "ZYX", overwrite=True)
    with open_image(path) as image:
        np.testing.assert_array_equal(image[...], new)


def test_slabs_of_a_volume_go_with_it(tmp_path):
    data = picture("ZYX")
    with VolumeWriter(tmp_path / "v.h5", Grid(data.shape), "f4", [slice(0, 2), slice(2, 4)]) as out:
        out.write(0, data[:2])
        out.write(1, data[2:])
        out.finish()
    write_image(tmp_path / "v.h5", data, "ZYX", overwrite=True)
    assert names(tmp_path) == {"v.h5"}


def test_slabs_go_with_nothing_but_their_volume(tmp_path):
    """Neither a stranger's folder goes, nor the slabs of an unfinished volume of the same name."""
    camera = tmp_path / "i.tif.slabs"
    camera.mkdir()
    (camera / "00007.h5").write_text("a camera's")
    write_image(tmp_path / "i.tif", picture("ZYX"), "ZYX")
    write_image(tmp_path / "i.tif", picture("ZYX"), "ZYX", overwrite=True)
    assert (camera / "00007.h5").read_text() == "a camera's"
    data = picture("ZYX")
    with VolumeWriter(tmp_path / "v.h5", Grid(data.shape), "f4", [slice(0, 2), slice(2, 4)]) as out:
        out.write(0, data[:2])
    before = (tmp_path / "v.h5.slabs/00000.h5").read_bytes()
    write_image(tmp_path / "v.h5", data, "ZYX")
    assert (tmp_path / "v.h5.slabs/00000.h5").read_bytes() == before


KILLED = """
import sys, numpy as np
from physrecon.io import ImageWriter
with ImageWriter(sys.argv[1], (9, 5, 6), "f4", "ZYX", overwrite=True) as out:
    for z in range(8):
        out.write_planes((), slice(z, z + 1), np.ones((1, 5, 6)))
    print("written", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="no such signals there")
@pytest.mark.parametrize("name", ["i.tif", "i.h5"])
def test_a_kill_leaves_the_old_image_and_no_lock(tmp_path, name):
    path, old = tmp_path / name, picture("ZYX")
    write_image(path, old, "ZYX")
    before = path.read_bytes()
    other = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None and other.stdout.readline() == "written\n"
    with pytest.raises(OutputError, match="another run that is writing it now"):
        write_image(path, old, "ZYX", overwrite=True)
    other.send_signal(signal.SIGKILL)
    other.communicate()
    assert path.read_bytes() == before
    assert len(names(tmp_path)) > 1  # what it left
    write_image(path, old + 1, "ZYX", overwrite=True)
    assert names(tmp_path) == {name}


FULL = """
import resource, signal, sys, numpy as np
from physrecon.errors import WriteError
from physrecon.io import write_image
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    write_image(sys.argv[1], np.ones((20, 100, 100), "f4"), "ZYX")
except WriteError as error:
    sys.exit(str(error))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limits there")
@pytest.mark.parametrize("name", ["i.tif", "i.h5"])
def test_a_disk_that_takes_no_more(tmp_path, name):
    """A limit on the size of files fails writes as a full disk does."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / name)], capture_output=True, text=True
    )
    assert (
        done.returncode == 1
        and "File too large; make room or mend the disk and run again." in done.stderr
    )
    assert "Traceback" not in done.stderr and names(tmp_path) == set()


@pytest.mark.parametrize("name", ["i.tif", "i.h5"])
def test_a_failing_sync(tmp_path, name, monkeypatch):
    def fails(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(WriteError, match="No space left"):
        write_image(tmp_path / name, picture("ZYX"), "ZYX")
    assert names(tmp_path) == set()


def test_too_little_space_is_said_before_anything_is_computed(tmp_path):
    for name in ("i.tif", "i.h5"):
        assert image_bytes(name, (10**6, 10**5, 10**5), "f4") >= 4 * 10**16
        with pytest.raises(OutputError, match="PB of free space"):
            ImageWriter(tmp_path / name, (10**6, 10**5, 10**5), "f4", "ZYX")
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "axes", "options", "error", "words"),
    [
        ("i.png", (5, 6), "f4", "YX", {}, OutputError, r"\.tif, \.ome\.tif or \.h5"),
        ("i", (5, 6), "f4", "YX", {}, OutputError, "got none"),
        ("no/i.tif", (5, 6), "f4", "YX", {}, OutputError, "folder"),
        ("i.tif", (5, 6), "c8", "YX", {}, ArgumentError, "real numbers"),
        ("i.tif", (5, 6), "i8", "YX", {}, ArgumentError, "write HDF5"),
        ("i.tif", (2, 5, 6), "f4", "AYX", {}, ArgumentError, "write HDF5"),
        ("i.h5", (0, 6), "f4", "YX", {}, ArgumentError, "length for each axis"),
        ("i.h5", (5, 6), "f4", "ZYX", {}, ArgumentError, "length for each axis"),
        ("i.h5", (4, 5, 6), "f4", "YXC", {}, ArgumentError, "end in"),
        ("i.h5", (4, 5, 6), "f4", "YYX", {}, ArgumentError, "end in"),
        ("i.h5", (5, 6), "f4", "YX", {"voxel_size": (1, 2, 3)}, ArgumentError, "voxel size"),
        ("i.h5", (5, 6), "f4", "YX", {"voxel_size": -1}, ArgumentError, "voxel size"),
        ("i.h5", (5, 6), "f4", "YX", {"length_unit": "ell"}, ArgumentError, "unit of length"),
    ],
)
def test_what_cannot_be_written(tmp_path, name, shape, dtype, axes, options, error, words):
    with pytest.raises(error, match=words):
        ImageWriter(tmp_path / name, shape, dtype, axes, **options)
    assert names(tmp_path) == set()


def test_planes_that_do_not_fit(tmp_path):
    with ImageWriter(tmp_path / "i.tif", (2, 4, 5, 6), "f4", "TZYX") as out:
        for index, planes, shape in (
            ((), slice(0, 4), (4, 5, 6)),
            ((2,), slice(0, 4), (4, 5, 6)),
            ((0,), slice(0, 4), (4, 6, 5)),
            ((0,), slice(0, 5), (5, 5, 6)),
            ((0,), slice(0, 4, 2), (2, 5, 6)),
        ):
            with pytest.raises(ArgumentError, match="expected planes"):
                out.write_planes(index, planes, np.zeros(shape))
        with pytest.raises(ArgumentError, match="expected planes"):
            out.write((0,), np.zeros((5, 6)))


def test_a_large_stack_from_disk_to_disk(tmp_path):
    """As a deconvolution goes about it: in through blocks, out through planes, never whole."""
    shape = (24, 200, 210)
    data = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", "u2", shape)
    data[:] = np.arange(24, dtype="u2")[:, None, None]
    write_image(tmp_path / "a.tif", data, "ZYX", 1.5, "um")
    with (
        open_image(tmp_path / "a.tif") as image,
        ImageWriter(tmp_path / "b.tif", image.shape, "f4", image.axes, image.voxel_size,
                    image.length_unit) as out,
    ):  # fmt: skip
        for planes, values in image.blocks((), nbytes=300_000):
            assert values.nbytes <= 300_000
            out.write_planes((), planes, values * np.float32(0.5))
        out.finish()
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), data * np.float32(0.5))
