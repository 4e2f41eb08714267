"""Stopped, killed or overwritten at any moment: nothing that is finished is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from volume_files import DATA, GRID, MANY, SHAPE, SLABS, files, settings_of, write, writer

from physrecon.errors import MissingInputError, OutputError, ReadError
from physrecon.geometry.grid import Grid
from physrecon.io import describe, open_volume, partial_slabs, slabs_done


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
        {"grid": Grid(SHAPE, 3.0)},
        {"grid": Grid(SHAPE, GRID.pitch, (2.0, 0.0, 0.0))},
        {"grid": Grid(SHAPE, GRID.pitch, (0.0, 0.0, 2.0))},
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
from physrecon.geometry.grid import Grid
from physrecon.io import VolumeWriter
with VolumeWriter(sys.argv[1], Grid((7, 4, 5)), "f4", [slice(0, 7)]):
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


KILLED = """
import sys, numpy as np
from physrecon.geometry.grid import Grid
from physrecon.io import VolumeWriter
slabs = [slice(i, i + 1) for i in range(60)]
with VolumeWriter(sys.argv[1], Grid((60, 64, 64)), "f4", slabs) as out:
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


def test_a_read_error_keeps_what_is_finished(tmp_path):
    path = tmp_path / "v.h5"
    with pytest.raises(ReadError), writer(path) as out:
        out.write(0, DATA[SLABS[0]])
        raise ReadError("scan.h5: the share was away")
    assert write(path) == [1, 2]
