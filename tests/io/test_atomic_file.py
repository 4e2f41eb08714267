"""Files that appear whole or not at all, and what lies in their way."""

from __future__ import annotations

import os

import h5py
import pytest

from physrecon import datasets
from physrecon.io.atomic_file import new_temporary, replacing
from physrecon.pictures.slices import save

FIGURE = pytest.importorskip("matplotlib.figure").Figure


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_takes_its_name_only_when_the_block_ends_well(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(KeyError), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "old" and names(tmp_path) == {"a"}
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and names(tmp_path) == {"a"}
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError), replacing(tmp_path / "folder"):
        raise AssertionError


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_a_temporary_is_never_what_exists(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("uuid.uuid4", lambda: type("Known", (), {"hex": "0123abcd"}))
    taken, precious = tmp_path / ".a.0123abcd.part", tmp_path / "precious"
    precious.write_text("mine")
    if kind == "file":
        taken.write_text("mine")
    else:
        taken.symlink_to(precious if kind == "link" else tmp_path / "nothing")
    before = names(tmp_path)
    with pytest.raises(FileExistsError):
        new_temporary(tmp_path / "a")
    with pytest.raises(FileExistsError), replacing(tmp_path / "a"):
        raise AssertionError
    assert names(tmp_path) == before and precious.read_text() == "mine"
    assert kind == "dangling link" or taken.read_text() == "mine"


def test_a_picture_does_not_follow_a_link(tmp_path):
    precious, link = tmp_path / "precious", tmp_path / "v.png"
    precious.write_text("mine")
    link.symlink_to(precious)
    save(FIGURE(), link)
    assert precious.read_text() == "mine" and link.read_bytes()[1:4] == b"PNG"
    assert names(tmp_path) == {"precious", "v.png"}


def test_a_simulated_scan_leaves_alone_what_lies_beside_it(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / f"s.h5.{os.getpid()}.partial").symlink_to(precious)
    datasets.simulate_scan(tmp_path / "s.h5", (2, 16, 16), 8)
    assert precious.read_text() == "mine" and len(names(tmp_path)) == 3
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["exchange/data"].shape == (8, 2, 16)
