"""One slice under several settings."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from discs import CENTER, write_scan
from listing import files

import physrecon as pr
from physrecon.cli.main import main
from physrecon.errors import ArgumentError
from physrecon.io.scans.frames import Frames
from physrecon.jobs.scan_job import ScanJob
from physrecon.jobs.variations import combinations, variations
from physrecon.pipeline.scan import tries


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("center=280..282/0.5", {"center": [280, 280.5, 281, 281.5, 282]}),
        ("--rings=none,sort", {"rings": ["none", "sort"]}),
        ("iterations=5,50", {"stop.iterations": [5, 50]}),
        ("weight=0.1,auto,auto*2", {"prior.weight": [0.1, "auto", "auto*2"]}),
        ("solver.step=0.5..1/0.25", {"solver.step": [0.5, 0.75, 1]}),
        ("exclude-views=1:2,5", {"exclude_views": ["1:2", 5]}),
    ],
)
def test_values_are_words_numbers_and_ranges(text, expected):
    assert variations(ScanJob, [text]) == expected


@pytest.mark.parametrize(
    "texts, words",
    [
        (["center"], ["KEY=VALUES"]),
        (["centre=1,2"], ["did you mean center"]),
        (["center=3..1/0.5"], ["FIRST..LAST/STEP"]),
        (["center=0..1/0"], ["FIRST..LAST/STEP"]),
        (["center=0..99/1"], ["up to 64"]),
        (["center=1..9/1", "width=1..9/1"], ["at most 64 pictures, got 81"]),
        (["a.b=1"], ["vary"]),
        (["center=1", "rings=none", "filter=hann"], ["at most 2"]),
    ],
)
def test_nonsense_is_refused(texts, words):
    with pytest.raises(ArgumentError) as caught:
        variations(ScanJob, texts)
    assert all(word in str(caught.value) for word in words)


def test_two_settings_make_a_grid():
    found = list(combinations(variations(ScanJob, ["center=1,2", "rings=none,sort"])))
    assert [(one["center"], one["rings"]) for one in found] == [
        *((1, "none"), (1, "sort"), (2, "none"), (2, "sort")),
    ]


def test_the_right_axis_makes_the_least_negative_slice(here, capsys):
    write_scan(here / "scan.h5")
    wrong = f"{CENTER - 4}..{CENTER + 4}/2"
    assert main(["try", "scan.h5", "--vary", f"center={wrong}"]) == 0
    assert "scan_try.png" in capsys.readouterr().out
    rows = table("scan_try.csv")
    assert [float(row["center"]) for row in rows] == [CENTER + k for k in (-4, -2, 0, 2, 4)]
    assert min(rows, key=lambda row: float(row["negative"]))["center"] == str(CENTER)


def test_a_slice_is_that_of_recon_and_rows_are_read_once(here, monkeypatch):
    write_scan(here / "scan.h5")
    reads = []
    plain = Frames.__getitem__

    def counted(self, index):
        reads.append(index)
        return plain(self, index)

    found = []
    real = tries.try_settings
    monkeypatch.setattr(
        "physrecon.cli.tries.try_settings", lambda *a: found.append(real(*a)) or found[0]
    )
    argv = ["try", "scan.h5", "--slices", "2", "--center", "22.1", "-o", "t.png"]
    counts = []
    for values in ("none,sort", "none,sort,none,sort"):
        reads.clear()
        with monkeypatch.context() as patch:
            patch.setattr(Frames, "__getitem__", counted)
            assert main([*argv, "--overwrite", "--vary", f"rings={values}"]) == 0
        counts.append(len(reads))
    assert counts[0] == counts[1] > 0
    assert (
        main(
            [
                "recon",
                "scan.h5",
                "-o",
                "v.h5",
                "--center",
                "22.1",
                "--rings",
                "sort",
                "--slices",
                "2",
            ]
        )
        == 0
    )
    with pr.open_volume("v.h5") as volume:
        assert np.array_equal(volume[0], found[0].tries[1].slice)
    assert found[0].row == 2


def test_what_is_not_tried_is_found_once(here, capsys):
    write_scan(here / "scan.h5")
    assert (
        main(["try", "scan.h5", "--vary", "filter=ram-lak,hann", "--vary", "padding=zero,edge"])
        == 0
    )
    out, err = capsys.readouterr()
    assert out.count("center: ") == 1 and "slices" not in err  # nor a line for each of them
    assert len(out.splitlines()) == 4 and "4 slices of row 1 in " in out
    assert [row["filter"] for row in table("scan_try.csv")] == ["ram-lak"] * 2 + ["hann"] * 2


def test_an_impossible_value_leaves_nothing(here, capsys):
    write_scan(here / "scan.h5")
    before = files(here)
    assert main(["try", "scan.h5", "--vary", "filter=hann,hnn"]) == 64
    assert "did you mean hann" in capsys.readouterr().err
    assert main(["try", "scan.h5", "--vary", "filter=hann", "-o", "t.jpg"]) == 64
    assert main(["try", "scan.h5"]) == 64
    assert main(["try", "scan.h5", "--vary", "exclude-views=1:2,5"]) == 64  # read once for all
    assert files(here) == before
