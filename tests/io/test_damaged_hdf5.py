"""Damaged HDF5 files that end the process which reads them: every door refuses them in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from damaged_hdf5 import cyclic_index, endless_heap, long_text, many_axes
from scan_files import COLUMNS, ROWS, VIEWS, counts, data_exchange, nexus

from physrecon.datasets import read_simulation
from physrecon.errors import DataError, DeviceError, ReadError
from physrecon.geometry.grid import Grid
from physrecon.io import VolumeWriter, describe, hdf5_probe, open_image, open_scan, open_volume
from physrecon.io.hdf5_safety import SafeHDF5

SECONDS = 30  # 7 for the child and, on a machine with other work, some more
peak_memory = pytest.importorskip("resource").getrusage  # bytes · 1024 on Linux


def volume(path: Path) -> Path:
    with VolumeWriter(path, Grid((2, 2, 2)), "f4", [slice(0, 2)]) as out:
        out.write(0, np.ones((2, 2, 2)))
        out.finish()
    return path


def virtual_scan(path: Path) -> Path:
    """A scan whose projections are in part.h5."""
    data_exchange(path, data=None)
    layout = h5py.VirtualLayout((VIEWS, ROWS, COLUMNS), "u2")
    layout[:VIEWS] = h5py.VirtualSource("part.h5", "d", (VIEWS, ROWS, COLUMNS), "u2")
    with h5py.File(path, "a") as file, h5py.File(path.parent / "part.h5", "w") as part:
        part["d"] = counts()
        del file["exchange/theta"].attrs["units"]
        file["exchange"].create_virtual_dataset("data", layout)
    return path


def refused(door, path: Path, *words: str) -> None:
    clock, before = time.monotonic(), peak_memory(0).ru_maxrss
    with pytest.raises(DataError) as raised:
        door(path)
    assert time.monotonic() - clock < SECONDS
    assert peak_memory(0).ru_maxrss - before < 200_000  # kB
    message = str(raised.value)
    assert "expected" in message and "copy" in message, message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("door", [open_scan, open_volume, open_image, read_simulation])
def test_an_endless_heap(tmp_path, monkeypatch, door):
    monkeypatch.setattr(hdf5_probe, "ANSWER_SECONDS", 1)
    make = volume if door is open_volume else lambda path: nexus(path, [1, 0, 0, 2])
    refused(door, endless_heap(make(tmp_path / "a.h5")), "a.h5", "on which HDF5")


def test_an_endless_heap_ends_in_time(tmp_path):
    path = endless_heap(data_exchange(tmp_path / "a.h5"))
    refused(describe, path, "a.h5", "on which HDF5")
    began = time.monotonic()
    refused(open_scan, path, "a.h5", "on which HDF5")
    assert time.monotonic() - began < 1  # it is remembered


@pytest.mark.parametrize("door", [open_scan, open_image, describe])
def test_a_mapping_of_232_axes(tmp_path, door):
    refused(door, many_axes(virtual_scan(tmp_path / "a.h5"), 232), "signal")


@pytest.mark.parametrize("chunks", [300, 1500])
def test_an_index_of_chunks_that_contains_itself(tmp_path, chunks):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = np.zeros((chunks, 2), np.uint8)
        file.create_dataset("data", data=data, chunks=(1, 2))
    cyclic_index(tmp_path / "a.h5", 2)
    refused(open_image, tmp_path / "a.h5", "signal")


@pytest.mark.parametrize("said", [2**31 - 1, 2**27, 2**25])
def test_a_text_of_gigabytes(tmp_path, said):
    path = long_text(data_exchange(tmp_path / "a.h5"), "degrees", said)
    refused(open_scan, path, "/exchange/theta")


def test_a_text_in_a_dataset_of_gigabytes(tmp_path):
    path = long_text(nexus(tmp_path / "a.nxs", [1, 0, 0, 2]), "NXtomo", 2**31 - 1)
    with open_scan(path) as scan:  # the definition is lost, the image key is there
        assert scan.kind == "NeXus (image_key)"


def test_damage_in_a_linked_file_and_in_a_source(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_probe, "ANSWER_SECONDS", 1)
    path = virtual_scan(tmp_path / "a.h5")
    with h5py.File(tmp_path / "part.h5", "a") as file:
        file.attrs["title"] = "some text"
    endless_heap(tmp_path / "part.h5")
    refused(open_scan, path, "part.h5")
    with h5py.File(path, "a") as file:
        del file["exchange/data"]
        file["exchange/data"] = h5py.ExternalLink("part.h5", "/d")
    refused(open_scan, path, "part.h5")


def test_headers_that_take_too_long(tmp_path, monkeypatch):
    """The mapping of one virtual dataset may be that of a thousand others, to be read each time."""
    monkeypatch.setattr(hdf5_probe, "MAX_SECONDS", 0)
    refused(open_scan, data_exchange(tmp_path / "a.h5"), "takes longer")


def test_values_of_every_type_can_be_read(tmp_path):
    """Sound files must not be refused for a type that is rare."""
    values = {
        "empty": h5py.Empty("f4"),
        "none": np.zeros(0),
        "text": "x",
        "texts": ["a", "bc"],
        "bytes": np.bytes_("abc"),
        "opaque": np.void(b"abc"),
        "truth": True,
        "complex": 1j,
        "half": np.float16(1),
        "long": np.longdouble(1),
        "table": np.zeros(2, [("a", "f4"), ("b", "i8", (2,))]),
        "named": np.array([("a", 1)], [("s", h5py.string_dtype()), ("i", "i4")]),
    }
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, value in values.items():
            file.attrs[name] = value
            file[name] = value
        file.attrs["to"] = file.ref
        file["to"] = file.ref
        file["type"] = np.dtype("f4")
        numbers = np.empty(2, object)
        numbers[:] = np.arange(3), np.arange(2)
        file.attrs.create("lists", numbers, dtype=h5py.vlen_dtype("i4"))
        file.attrs.create("enum", 1, dtype=h5py.enum_dtype({"A": 1}, "i4"))
        file.attrs.create("rows", np.zeros((2, 3)), shape=(2, 3), dtype=np.dtype("(3,)f4"))
        file.create_dataset("packed", data=["a", "b"], chunks=(1,), compression="gzip")
    with SafeHDF5(tmp_path / "a.h5") as h5:
        found = dict(h5.walk())
        assert len(found) == len(values) + 3
        assert not [node for node in found.values() if isinstance(node, Exception)]


def test_a_remembered_file_may_be_renamed(tmp_path):
    path = data_exchange(tmp_path / "a.h5")
    os.utime(path, ns=(1, 1))
    open_scan(path).close()
    with open_scan(path.rename(tmp_path / "b.h5")) as scan:
        assert scan.shape == (VIEWS, ROWS, COLUMNS)


def test_many_texts_are_not_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["few"], file["many"] = ["a", "b"], ["x"] * 2000
    with SafeHDF5(tmp_path / "a.h5") as h5:
        assert h5.dataset("/few")[1] == b"b"
        with pytest.raises(DataError, match="2000 texts"):
            h5.dataset("/many")


def test_sound_files_beside_damaged_ones(tmp_path):
    """The child is replaced, and what it found before is remembered."""
    good, bad = data_exchange(tmp_path / "good.h5"), many_axes(virtual_scan(tmp_path / "b.h5"), 99)
    for _ in range(2):
        refused(open_scan, bad)
        with open_scan(good) as scan:
            np.testing.assert_array_equal(scan.projections[:], counts())


def test_a_file_is_read_once_by_the_child(tmp_path, monkeypatch):
    path = data_exchange(tmp_path / "a.h5")
    os.utime(path, ns=(1, 1))
    asked = []
    ask = hdf5_probe.Findings.ask
    monkeypatch.setattr(hdf5_probe.Findings, "ask", lambda *a, **k: asked.append(a) or ask(*a, **k))
    for _ in range(3):
        open_scan(path).close()
    assert len(asked) == 1
    os.utime(path, ns=(2, 2))
    open_scan(path).close()
    assert len(asked) == 2


def test_objects_beyond_a_batch(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for n in range(3 * 500):
            file[f"g{n % 3}/d{n}"] = n
    with SafeHDF5(tmp_path / "a.h5") as h5:
        found = {path: node[()] for path, node in h5.walk() if isinstance(node, h5py.Dataset)}
    assert found == {f"/g{n % 3}/d{n}": n for n in range(1500)}


def test_a_file_that_is_replaced_while_it_is_opened(tmp_path):
    data_exchange(tmp_path / "a.h5"), data_exchange(tmp_path / "b.h5", data_dark=None)
    with SafeHDF5(tmp_path / "a.h5") as h5:
        h5._findings_of(h5.file)._verdicts.clear()
        os.replace(tmp_path / "b.h5", tmp_path / "a.h5")
        with pytest.raises(ReadError, match="at rest"):
            h5.dataset("/exchange/data")


def python(code: str, *arguments: object, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    options = {"capture_output": True, "text": True, "timeout": 120, **options}
    return subprocess.run(command, check=False, **options)


def test_a_process_without_standard_streams(tmp_path):
    path = data_exchange(tmp_path / "a.h5")
    code = """
        import os, sys, pathlib
        for fd in (0, 1, 2):
            os.close(fd)
        from physrecon.io import open_scan
        with open_scan(sys.argv[1]) as scan:
            pathlib.Path(sys.argv[2]).write_text(str(scan.shape))
    """
    assert python(code, path, tmp_path / "said").returncode == 0
    assert (tmp_path / "said").read_text() == "(7, 5, 6)"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_has_its_own_child(tmp_path):
    paths = [data_exchange(tmp_path / f"{n}.h5") for n in range(3)]
    code = """
        import os, sys
        from physrecon.io import hdf5_probe, open_scan
        open_scan(sys.argv[1]).close()
        first = hdf5_probe._child.process.pid
        pid = os.fork()
        open_scan(sys.argv[2 if pid else 3]).close()
        assert (hdf5_probe._child.process.pid == first) == bool(pid)
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
    """
    done = python(code, *paths)
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_child_that_was_ended_is_replaced(tmp_path, number):
    open_scan(data_exchange(tmp_path / "a.h5")).close()
    child = hdf5_probe._child.process
    os.kill(child.pid, number)
    child.wait()
    open_scan(data_exchange(tmp_path / "b.h5")).close()


def test_no_child_outlives_its_parent(tmp_path):
    code = """
        import os, sys
        from physrecon.io import hdf5_probe, open_scan
        open_scan(sys.argv[1]).close()
        print(hdf5_probe._child.process.pid, flush=True)
        os.kill(os.getpid(), 9)
    """
    pid = int(python(code, data_exchange(tmp_path / "a.h5")).stdout)
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("the child is still there")


class TestInterpreter:
    def test_of_a_program_with_python_inside(self, monkeypatch):
        monkeypatch.setattr(sys, "executable", "/opt/app/app")
        assert Path(hdf5_probe.interpreter()).name.startswith("python")

    def test_none(self, monkeypatch, tmp_path):
        monkeypatch.setattr(sys, "executable", "")
        monkeypatch.setattr(sys, "base_exec_prefix", str(tmp_path))
        with pytest.raises(DeviceError, match=r"set sys\.executable"):
            hdf5_probe.interpreter()

    def test_one_without_h5py(self, tmp_path):
        path = data_exchange(tmp_path / "a.h5")
        code = """
            import sys
            from physrecon.io import open_scan
            from physrecon.errors import DeviceError
            sys.path[:] = [folder for folder in sys.path if "site-packages" not in folder]
            sys.executable, sys.base_exec_prefix = sys.argv[2], "/nowhere"
            try:
                open_scan(sys.argv[1])
            except DeviceError as error:
                print(error)
        """
        fake = tmp_path / "python3"
        fake.write_text("#!/bin/sh\necho no module named h5py >&2\nexit 1\n")
        fake.chmod(0o755)
        done = python(code, path, fake)
        assert "no module named h5py" in done.stdout and "repair that Python" in done.stdout


def test_a_child_that_starts_early_tries_the_file(tmp_path):
    sound, damaged, other = volume(tmp_path / "v.h5"), tmp_path / "d.h5", tmp_path / "t.tif"
    damaged.write_bytes(sound.read_bytes()[:-600])
    other.write_bytes(b"II*\0")
    code = """
        import sys
        from physrecon.io import hdf5_probe
        for path in (sys.argv[3], "nowhere.h5"):
            hdf5_probe.start_early(path)
            assert hdf5_probe._early is None
        for path in sys.argv[1:3]:
            hdf5_probe.start_early(path)
            early = hdf5_probe._early or hdf5_probe._child
            try:
                hdf5_probe.probe(hdf5_probe.Path(path))
                print("sound")
            except hdf5_probe.DataError as problem:
                print("truncated" in str(problem))
            assert hdf5_probe._child is early and hdf5_probe._early is None
    """
    assert python(code, sound, damaged, other).stdout.split() == ["sound", "True"]
