"""Volumes out and in again: the layout, refusals, and kills at any moment."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from scan_files import data_exchange

from physrecon.errors import (
    ArgumentError,
    DataError,
    Interrupted,
    MissingInputError,
    OutputError,
    PhysreconError,
    ReadError,
    WriteError,
)
from physrecon.io import (
    VolumeWriter,
    describe,
    open_scan,
    open_volume,
    partial_slabs,
    slabs_done,
    stored_bytes,
)

SHAPE = (7, 4, 5)
SLABS = [slice(0, 3), slice(3, 6), slice(6, 7)]
WHOLE = [slice(0, 7)]
DATA = np.random.default_rng(0).normal(size=SHAPE).astype("f4")


def writer(path, slabs=SLABS, **options):
    settings = {"voxel_size": (2.0, 1.0, 1.5), "length_unit": "um"}
    settings |= {"configuration": {"method": "fbp", "input": "scan.h5 1234"}}
    return VolumeWriter(path, SHAPE, "f4", slabs, **(settings | options))


def write(path, slabs=SLABS, only=None, **options):
    """Write the missing slabs (or those of `only`); returns the numbers of those written."""
    with writer(path, slabs, **options) as out:
        numbers = [i for i in range(len(slabs)) if not out.done(i)] if only is None else only
        for i in numbers:
            out.write(i, DATA[slabs[i]])
        if only is None:
            out.finish()
    return numbers


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


MANY = {"v.h5", "v.h5.slabs/job.json", *(f"v.h5.slabs/0000{i}.h5" for i in range(3))}


@pytest.mark.parametrize(("slabs", "expected"), [(WHOLE, {"v.h5"}), (SLABS, MANY)])
def test_layout_opens_in_viewers(tmp_path, slabs, expected):
    write(tmp_path / "v.h5", slabs)
    assert files(tmp_path) == expected
    with h5py.File(tmp_path / "v.h5") as file:
        node = file
        while "default" in node.attrs:  # the way a NeXus viewer finds what to plot
            node = node[node.attrs["default"]]
        assert node.name == "/entry/reconstruction/results"
        assert node.attrs["NX_class"] == "NXdata" and file["entry"].attrs["NX_class"] == "NXentry"
        data = node[node.attrs["signal"]]
        assert list(node.attrs["axes"]) == ["z", "y", "x"]
        assert data.attrs["interpretation"] == "image" and data.attrs["units"] == "1/um"
        for axis, (name, pitch) in enumerate(zip("zyx", (2.0, 1.0, 1.5), strict=True)):
            n = SHAPE[axis]
            np.testing.assert_allclose(node[name], (np.arange(n) - (n - 1) / 2) * pitch)
            assert node[name].attrs["units"] == "um"
        for place in (data, file["exchange/data"], file["data"]):
            np.testing.assert_array_equal(place[:], DATA)
        assert file["entry/reconstruction/configuration/method"].asstr()[()] == "fbp"
        if slabs is SLABS:
            assert data.is_virtual and np.isnan(data.fillvalue)
            assert all(not Path(s.file_name).is_absolute() for s in data.virtual_sources())
        else:
            assert data.fletcher32 and data.compression is None


def test_a_volume_may_move_with_its_slabs(tmp_path):
    write(tmp_path / "v.h5")
    (tmp_path / "elsewhere").mkdir()
    for name in ("v.h5", "v.h5.slabs"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    with open_volume(tmp_path / "elsewhere/v.h5") as volume:
        np.testing.assert_array_equal(volume[:], DATA)


@pytest.mark.parametrize("slabs", [WHOLE, SLABS])
def test_open_volume_gives_back_what_was_written(tmp_path, slabs):
    write(tmp_path / "v.h5", slabs)
    with open_volume(tmp_path / "v.h5") as volume:
        assert (volume.shape, volume.dtype, len(volume)) == (SHAPE, np.dtype("f4"), 7)
        assert volume.voxel_size == (2.0, 1.0, 1.5) and volume.length_unit == "um"
        assert volume.configuration == {"method": "fbp", "input": "scan.h5 1234"}
        np.testing.assert_array_equal(volume[2:5, 1], DATA[2:5, 1])
        np.testing.assert_array_equal(np.asarray(volume), DATA)
    text = "\n".join(describe(tmp_path / "v.h5"))
    assert "reconstructed volume (7, 4, 5) float32" in text and "2 × 1 × 1.5 um" in text
    with pytest.raises(DataError, match="reconstructed volume"):
        open_scan(tmp_path / "v.h5")


def test_open_volume_reads_others_and_refuses_the_rest(tmp_path):
    other = tmp_path / "o.h5"
    with h5py.File(other, "w") as file:
        file["data"] = DATA.astype("f8")
    with open_volume(other) as volume:
        assert volume.voxel_size == (1, 1, 1) and volume.length_unit is None
        assert volume[0].dtype == np.float64
    with h5py.File(other, "w") as file:
        file["picture"] = DATA[0]
    with pytest.raises(DataError, match="expected a volume"):
        open_volume(other)
    with pytest.raises(MissingInputError):
        open_volume(tmp_path / "absent.h5")


def test_a_missing_slab_is_reported_and_never_reads_as_air(tmp_path):
    write(tmp_path / "v.h5")
    (tmp_path / "v.h5.slabs/00001.h5").unlink()
    with pytest.raises(DataError, match=r"00001\.h5"):
        open_volume(tmp_path / "v.h5")
    with pytest.raises(DataError, match=r"00001\.h5"):
        describe(tmp_path / "v.h5")
    with h5py.File(tmp_path / "v.h5") as file:
        assert np.isnan(file["data"][3:6]).all()
    assert "slab" in " ".join(describe(tmp_path / "v.h5.slabs/00000.h5"))


@pytest.mark.parametrize("slabs", [WHOLE, SLABS])
def test_finished_output_is_refused_until_overwritten(tmp_path, slabs):
    path = tmp_path / "v.h5"
    write(path, slabs)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="--overwrite") as raised:
        writer(path, slabs)
    assert raised.value.exit_code == 73 and path.read_bytes() == before
    write(path, slabs, overwrite=True, configuration={"method": "sirt"})
    with open_volume(path) as volume:
        assert volume.configuration == {"method": "sirt"}


def test_overwriting_many_slabs_by_one_leaves_no_old_slabs(tmp_path):
    write(tmp_path / "v.h5", SLABS)
    write(tmp_path / "v.h5", WHOLE, overwrite=True)
    assert files(tmp_path) == {"v.h5"}
    write(tmp_path / "v.h5", SLABS, overwrite=True)
    assert files(tmp_path) == MANY


def test_overwriting_touches_nothing_before_the_first_slab_is_there(tmp_path):
    write(tmp_path / "v.h5")
    with (
        pytest.raises(DataError),
        writer(tmp_path / "v.h5", overwrite=True, configuration={}) as out,
    ):
        assert not out.done(0)
        raise DataError("all-NaN")
    with open_volume(tmp_path / "v.h5") as volume:
        np.testing.assert_array_equal(volume[:], DATA)


def test_a_strangers_file_is_not_touched(tmp_path):
    stranger = tmp_path / "v.h5"
    stranger.write_text("my notes")
    with pytest.raises(OutputError):
        writer(stranger)
    assert stranger.read_text() == "my notes"
    folder = tmp_path / "w.h5.slabs"
    write(tmp_path / "w.h5")
    (folder / "notes.txt").write_text("mine")
    (folder / "00007.h5").write_text("mine")
    write(tmp_path / "w.h5", overwrite=True, configuration={"method": "sirt"})
    write(tmp_path / "w.h5", WHOLE, overwrite=True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "notes.txt": "mine",
        "00007.h5": "mine",
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files(folder)}


MARKS = {
    "none": None,
    "of another program": '{"job": "backup", "slabs": [[0, 3]]}',
    "no JSON": "job",
    "a list": "[1]",
    "no digest": '{"job": 5, "slabs": [[0, 3]]}',
}


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("slabs", [SLABS, WHOLE])
@pytest.mark.parametrize("name", ["v.h5.slabs", "v.h5.slabs.new"])
def test_a_strangers_folder_is_never_emptied(tmp_path, mark, overwrite, slabs, name):
    folder = tmp_path / name
    if name.endswith(".new"):
        write(tmp_path / "v.h5", WHOLE)  # there is an old volume to be kept
    folder.mkdir()
    for i in range(3):
        (folder / f"0000{i}.h5").write_text(f"frame {i} of a camera")
    (folder / ".a.0123abcd.part").write_text("mine too")
    if MARKS[mark] is not None:
        (folder / "job.json").write_text(MARKS[mark])
    before = contents(tmp_path)
    if slabs is SLABS:
        with pytest.raises(OutputError) as raised:
            write(tmp_path / "v.h5", slabs, overwrite=overwrite)
        if overwrite or not name.endswith(".new"):
            assert f"{name}: expected" in str(raised.value) and "move it" in str(raised.value)
        assert contents(tmp_path) == before
    elif overwrite:
        write(tmp_path / "v.h5", slabs, overwrite=True)
        with pytest.raises(DataError), writer(tmp_path / "v.h5", slabs, overwrite=True):
            raise DataError("all-NaN")
    inside = {name: content for name, content in before.items() if "/" in name}
    assert inside.items() <= contents(tmp_path).items()


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("linked", ["folder", "mark"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_links_to_slabs_are_refused(tmp_path, linked, overwrite):
    """A folder that is a link, even to slabs of this very job, and one whose mark is a link."""
    (tmp_path / "a").mkdir()
    write(tmp_path / "a/v.h5", only=[0])
    real, folder = tmp_path / "a/v.h5.slabs", tmp_path / "v.h5.slabs"
    if linked == "folder":
        folder.symlink_to(real)
    else:
        folder.mkdir()
        (folder / "job.json").symlink_to(real / "job.json")
        (folder / "00000.h5").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(OutputError, match=r"v\.h5\.slabs: expected .*; move it away"):
        write(tmp_path / "v.h5", overwrite=overwrite)
    write(tmp_path / "v.h5", WHOLE, overwrite=overwrite)
    (tmp_path / "v.h5").unlink()
    assert contents(tmp_path) == before


def test_a_folder_left_by_a_kill_before_its_mark_is_taken(tmp_path):
    folder = tmp_path / "v.h5.slabs"
    folder.mkdir()
    (folder / ".job.json.0123abcd.part").write_bytes(b"half")
    write(tmp_path / "v.h5")
    assert files(tmp_path) == MANY


@pytest.mark.skipif(os.name == "nt", reason="no locks there")
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_strangers_file_with_the_name_of_the_lock(tmp_path, kind):
    lock, precious = tmp_path / ".v.h5.lock", tmp_path / "precious"
    precious.write_text("mine")
    if kind == "file":
        lock.write_text("mine")
    else:
        lock.symlink_to(precious)
    with pytest.raises(OutputError, match="lock: expected an empty lock file"):
        writer(tmp_path / "v.h5")
    assert lock.read_text() == precious.read_text() == "mine"


@pytest.mark.parametrize("name", ["", "absent/v.h5", "/proc/v.h5", "v.h5"])
def test_places_that_cannot_be_written(tmp_path, name):
    if name == "v.h5":
        (tmp_path / "v.h5.slabs").write_text("in the way")
    if name.startswith("/proc") and not Path("/proc").is_dir():
        pytest.skip("no read-only folder here")
    with pytest.raises(OutputError) as raised:
        writer(tmp_path / name)
    assert raised.value.exit_code == 73 and "expected" in str(raised.value)


def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o555)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(OutputError, match="permissions"):
            writer(tmp_path / "v.h5")
    finally:
        tmp_path.chmod(0o755)


def test_too_little_space_is_said_before_the_run(tmp_path):
    with pytest.raises(OutputError, match="PB of free space"):
        VolumeWriter(tmp_path / "v.h5", (10**6, 10**5, 10**5), "f4", [slice(0, 10**6)])
    assert files(tmp_path) == set()


@pytest.mark.parametrize("slabs", [WHOLE, SLABS])
def test_a_full_disk_leaves_no_half_written_file(tmp_path, monkeypatch, slabs):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with (
        pytest.raises(WriteError, match="No space left") as raised,
        writer(tmp_path / "v.h5", slabs) as out,
    ):
        if len(slabs) > 1:
            out.write(0, DATA[slabs[0]])
        monkeypatch.setattr(os, "fsync", full)
        out.write(len(slabs) - 1, DATA[slabs[-1]])
    assert raised.value.exit_code == 74
    kept = {"v.h5.slabs/job.json", "v.h5.slabs/00000.h5"} if len(slabs) > 1 else set()
    assert files(tmp_path) == kept
    monkeypatch.undo()
    write(tmp_path / "v.h5", slabs)


@pytest.mark.parametrize(
    ("error", "kept"), [(DataError, 0), (Interrupted, 2), (KeyboardInterrupt, 2), (WriteError, 2)]
)
def test_errors_in_the_data_leave_nothing_and_stops_leave_finished_slabs(tmp_path, error, kept):
    with pytest.raises(error), writer(tmp_path / "v.h5") as out:
        out.write(0, DATA[:3])
        out.write(1, DATA[3:6])
        raise error("stop")
    assert sum(name.endswith(".h5") for name in files(tmp_path)) == kept
    assert (tmp_path / "v.h5.slabs").exists() == bool(kept)


def test_resume_writes_only_what_is_missing_and_gives_the_same_bytes(tmp_path):
    write(tmp_path / "a.h5", only=[0, 2])
    assert partial_slabs(tmp_path / "a.h5") == SLABS
    with pytest.raises(MissingInputError, match=r"2 of its 3 slabs in a\.h5\.slabs; run"):
        describe(tmp_path / "a.h5")
    (tmp_path / ".a.h5.0123abcd.part").write_bytes(b"half")
    (tmp_path / "a.h5.slabs/.00001.h5.0123abcd.part").write_bytes(b"half")
    assert write(tmp_path / "a.h5") == [1]
    assert partial_slabs(tmp_path / "a.h5") is None
    time.sleep(1.1)  # a date inside would show
    (tmp_path / "b").mkdir()
    write(tmp_path / "b/a.h5")
    names = {name.replace("v.h5", "a.h5") for name in MANY}
    assert files(tmp_path / "b") == names and files(tmp_path) == names | {f"b/{n}" for n in names}
    for name in names:
        assert (tmp_path / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("harm", ["bits", "truncated", "empty", "other slab", "removed"])
def test_a_harmed_slab_is_not_done(tmp_path, harm):
    write(tmp_path / "v.h5", only=[0, 1, 2])
    slab = tmp_path / "v.h5.slabs/00000.h5"
    content = bytearray(slab.read_bytes())
    if harm == "bits":
        with h5py.File(slab) as file:
            content[file["data"].id.get_chunk_info(1).byte_offset + 5] ^= 1
        slab.write_bytes(content)
    elif harm == "truncated":
        slab.write_bytes(content[:-100])
    elif harm == "empty":
        slab.write_bytes(b"")
    elif harm == "other slab":
        slab.write_bytes((slab.parent / "00001.h5").read_bytes())
    else:
        slab.unlink()
    assert write(tmp_path / "v.h5") == [0]
    with open_volume(tmp_path / "v.h5") as volume:
        np.testing.assert_array_equal(volume[:], DATA)


@pytest.mark.parametrize(
    "change",
    [
        {"configuration": {"method": "sirt"}},
        {"voxel_size": 3.0},
        {"length_unit": None},
        {"slabs": [slice(0, 4), slice(4, 7)]},
    ],
)
def test_slabs_of_another_job_are_refused_until_overwritten(tmp_path, change):
    write(tmp_path / "v.h5", only=[0])
    slabs = change.pop("slabs", SLABS)
    with pytest.raises(OutputError, match="another job"):
        writer(tmp_path / "v.h5", slabs, **change)
    assert (tmp_path / "v.h5.slabs/00000.h5").exists()
    assert write(tmp_path / "v.h5", slabs, overwrite=True, **change) == list(range(len(slabs)))
    with open_volume(tmp_path / "v.h5") as volume:
        np.testing.assert_array_equal(volume[:], DATA)


def settings_of(path):
    with open_volume(path) as volume:
        np.testing.assert_array_equal(volume[:], DATA)
        return volume.configuration


def test_an_overwritten_volume_stays_readable_until_the_new_one_is_complete(tmp_path):
    path, new = tmp_path / "v.h5", {"overwrite": True, "configuration": {"method": "sirt"}}
    write(path)
    before = files(tmp_path)
    write(path, only=[0, 1], **new)
    assert settings_of(path)["method"] == "fbp" and files(tmp_path) > before
    assert partial_slabs(path) == SLABS and slabs_done(path) == 2
    with pytest.raises(OutputError, match="--overwrite"):
        writer(path, configuration=new["configuration"])
    assert write(path, **new) == [2]  # it goes on where it was stopped
    assert settings_of(path) == {"method": "sirt"} and files(tmp_path) == MANY
    write(path, [slice(0, 6), slice(6, 7)], **new)  # fewer slabs: none of the old is left
    assert files(tmp_path) == MANY - {"v.h5.slabs/00002.h5"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork there")
@pytest.mark.parametrize("steps", range(5))
def test_an_overwrite_killed_as_the_folders_change_places(tmp_path, monkeypatch, steps):
    """After 0 … 4 renames and before OUT is written: never a mixture, and nothing is lost."""
    path, new = tmp_path / "v.h5", {"configuration": {"method": "sirt"}}
    write(path)
    with writer(path, overwrite=True, **new) as out:
        for i, rows in enumerate(SLABS):
            out.write(i, DATA[rows])
        left = [steps]
        replace = Path.replace

        def killed(self, target):
            if not left[0]:
                os._exit(9)
            left[0] -= 1
            return replace(self, target)

        child = os.fork()
        if not child:
            try:
                monkeypatch.setattr(Path, "replace", killed)
                out.finish()
            finally:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert not path.exists()
    assert partial_slabs(path) == SLABS and slabs_done(path) == 3
    assert write(path, **new) == []
    assert settings_of(path) == {"method": "sirt"} and files(tmp_path) == MANY


HOLDER = """
import sys, time
from physrecon.io import VolumeWriter
with VolumeWriter(sys.argv[1], (7, 4, 5), "f4", [slice(0, 7)]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="no locks there")
@pytest.mark.parametrize("killed", [True, False])
def test_only_one_run_writes_an_output(tmp_path, killed):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "v.h5")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    with pytest.raises(OutputError, match="another run that is writing it now") as raised:
        writer(tmp_path / "v.h5")
    assert raised.value.exit_code == 73
    write(tmp_path / "w.h5")  # another name is free
    if killed:
        other.kill()
    other.communicate()
    write(tmp_path / "v.h5")
    assert files(tmp_path) == MANY | {name.replace("v.h5", "w.h5") for name in MANY}


@pytest.mark.skipif(os.name == "nt", reason="no locks there")
def test_a_file_system_without_locks_is_written_all_the_same(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    write(tmp_path / "v.h5")
    assert files(tmp_path) == MANY


@pytest.mark.parametrize(
    ("shape", "slabs"), [((2, 640, 641), 1), ((3, 640, 640), 3), ((2, 1025, 2100), 1)]
)
def test_a_volume_takes_the_room_that_is_foretold(tmp_path, shape, slabs):
    cuts = [slice(i * shape[0] // slabs, (i + 1) * shape[0] // slabs) for i in range(slabs)]
    with VolumeWriter(tmp_path / "v.h5", shape, "f4", cuts) as out:
        for i, rows in enumerate(cuts):
            out.write(i, np.ones((rows.stop - rows.start, *shape[1:]), "f4"))
        out.finish()
    real = sum((tmp_path / name).stat().st_size for name in files(tmp_path))
    assert real == pytest.approx(stored_bytes(shape, "f4", slabs), rel=0.01)
    assert real < 1.02 * 4 * np.prod(shape)


def test_misuse_is_an_argument_error(tmp_path):
    path = tmp_path / "v.h5"
    for slabs in ([slice(0, 3)], [slice(0, 3), slice(4, 7)], []):
        with pytest.raises(ArgumentError):
            writer(path, slabs)
    with pytest.raises(ArgumentError, match="float"):
        VolumeWriter(path, SHAPE, "i4", SLABS)
    with pytest.raises(ArgumentError, match="slab 1"), writer(path) as out:
        out.write(1, DATA)
    with pytest.raises(PhysreconError, match="all 3 slabs"), writer(path) as out:
        out.finish()
    assert files(tmp_path) == set()


def test_float64_is_kept(tmp_path):
    data = DATA.astype("f8")
    with VolumeWriter(tmp_path / "v.h5", SHAPE, "f8", WHOLE) as out:
        out.write(0, data)
        out.finish()
    with open_volume(tmp_path / "v.h5") as volume:
        assert volume.dtype == np.float64 and (volume[:] == data).all()
        assert volume.voxel_size == (1, 1, 1) and volume.length_unit is None


KILLED = """
import sys, numpy as np
from physrecon.io import VolumeWriter
slabs = [slice(i, i + 1) for i in range(60)]
with VolumeWriter(sys.argv[1], (60, 64, 64), "f4", slabs) as out:
    for i in range(60):
        if not out.done(i):
            out.write(i, np.full((1, 64, 64), i, "f4"))
            print(i, flush=True)
    out.finish()
"""


def test_kill_and_resume(tmp_path):
    """After SIGKILL in the midst of writing, what is there is whole, and the next run ends it."""
    path = tmp_path / "v.h5"
    for killed in (True, False):
        run = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert run.stdout is not None
        first = [int(run.stdout.readline()) for _ in range(7)]
        if killed:
            run.send_signal(signal.SIGKILL)
            run.communicate()
            assert first[0] == 0 and not path.exists()
        else:
            run.communicate()
            assert run.returncode == 0 and first[0] >= 7
    with open_volume(path) as volume:
        expected = np.broadcast_to(np.arange(60, dtype="f4")[:, None, None], volume.shape)
        np.testing.assert_array_equal(volume[:], expected)
    assert not list(tmp_path.rglob("*.part"))


def test_a_scan_is_no_volume_by_accident(tmp_path):
    """`/exchange/data` serves both; `info` tells them apart by the angles."""
    path = data_exchange(tmp_path / "scan.h5")
    assert "Data Exchange" in describe(path)[0]


@pytest.mark.parametrize("name", ["50%bin.h5", "a%%b.h5", "%d%s.h5"])
def test_a_name_with_a_percent_sign(tmp_path, name):
    write(tmp_path / name)
    with open_volume(tmp_path / name) as volume:
        np.testing.assert_array_equal(volume[:], DATA)
    with h5py.File(tmp_path / name) as file:  # what other programs see
        np.testing.assert_array_equal(file["data"][()], DATA)


def test_a_read_error_keeps_what_is_finished(tmp_path):
    path = tmp_path / "v.h5"
    with pytest.raises(ReadError), writer(path) as out:
        out.write(0, DATA[SLABS[0]])
        raise ReadError("scan.h5: the share was away")
    assert write(path) == [1, 2]


def test_a_part_knows_its_place(tmp_path):
    write(tmp_path / "v.h5", middle=10.0)
    with h5py.File(tmp_path / "v.h5") as file:
        z = file["entry/reconstruction/results/z"][()]
    np.testing.assert_allclose(z, 10 + (np.arange(7) - 3) * 2.0)
