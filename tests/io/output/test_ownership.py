"""What is not ours is not touched: files and folders of strangers, links, other locks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from volume_files import MANY, SLABS, WHOLE, files, write, writer

from physrecon.errors import DataError, OutputError


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
