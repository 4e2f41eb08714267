"""The commands as their user meets them: what they write, and to which stream."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from discs import CENTER, line_integrals, write_scan
from listing import files

import physrecon as pr
from physrecon.cli.main import main


def test_plan_explains_and_computes_nothing(scan, here, capsys):
    assert main(["plan", "scan.h5", "--slab-rows", "2", "--method", "cgls"]) == 0
    out = capsys.readouterr().out
    for word in ("cgls", "2 slabs", "memory", "(3, 48, 48)", "scan_rec.h5"):
        assert word in out
    assert files(here) == {"scan.h5"}
    (here / "job.toml").write_text('input = "scan.h5"\noutput = "v.h5"\n')
    assert main(["plan", "job.toml"]) == 0
    assert "v.h5" in capsys.readouterr().out


def test_info_says_what_files_are(scan, here, capsys):
    (here / "notes.txt").write_text("no scan")
    assert main(["info", "notes.txt", "scan.h5"]) == 65
    out, err = capsys.readouterr()
    assert "Data Exchange" in out and "90 views" in out and "notes.txt" in err
    assert main(["info", "scan.h5"]) == 0
    with h5py.File("scan.h5", "a") as file:
        del file["exchange/theta"].attrs["units"]
        file["exchange/theta"][:] /= 60
    capsys.readouterr()
    assert main(["info", "scan.h5"]) == 65
    assert "--angle-unit" in capsys.readouterr().err  # and so it must be an option of info
    assert main(["info", "scan.h5", "--angle-unit", "deg"]) == 0


def test_info_goes_on_after_a_file_that_is_not_there(scan, capsys):
    assert main(["info", "nothing.h5", "scan.h5"]) == 66
    out, err = capsys.readouterr()
    assert "Data Exchange" in out and "nothing.h5" in err


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_a_terminal_sees_a_bar(scan, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert main(["recon", "scan.h5", "-o", "v.h5", "--slab-rows", "1"]) == 0
    shown = sys.stderr.getvalue().split("\r")
    assert any(line.startswith("recon ██") and " 100 %" in line for line in shown)
    assert "slab 1/3" in sys.stderr.getvalue() and "slab 3/3" in sys.stderr.getvalue()


def test_demo_shows_that_iterating_pays(here, capsys, monkeypatch):
    from physrecon.demos import tomography

    monkeypatch.setattr(tomography, "SHAPE", (3, 48, 48))
    monkeypatch.setattr(tomography, "VIEWS", 40)
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    assert files(here / "physrecon-demo") == {"scan.h5", "fbp.h5", "sirt.h5", "demo.png"}
    score = {line.split()[0]: float(line.split()[3]) for line in out.splitlines() if " dB" in line}
    assert score["sirt"] > score["fbp"] + 1 > 15
    assert main(["demo"]) == 73
    assert "--overwrite" in capsys.readouterr().err


def test_find_center_tells_its_methods(scan, capsys):
    assert main(["find-center", "scan.h5"]) == 0
    out = capsys.readouterr().out
    column = float(out.split()[1])
    assert abs(column - CENTER) < 0.3
    assert "opposite views" in out and "consistency" in out and "±" in out


@pytest.mark.parametrize("lean", [0.0, 0.15])
def test_the_axis_of_single_rows_gives_the_roll_of_the_detector(here, lean, capsys):
    steps, rows, row = np.arange(90) * 2.0, 12, np.arange(12)
    columns = CENTER + lean * (row - 5.5)
    lines = [line_integrals(steps, 1, center=c) for c in columns]
    lines[0] *= 0  # rows of air tell nothing
    lines[7] = line_integrals(steps, 1, center=CENTER + 3)  # nor does one that is wrong
    counts = np.rint(50 + 9950 * np.exp(-np.concatenate(lines, axis=1))).astype(np.uint16)
    write_scan(here / "scan.h5", rows=rows, data=counts)
    assert main(["find-center", "scan.h5", "--per-row-center"]) == 0
    out = capsys.readouterr().out
    center, roll, pm = re.search(r"center: (\S+) ±[^$]*roll: (\S+) ± (\S+) deg", out).groups()
    assert float(center) == pytest.approx(CENTER, abs=0.1)
    expected = np.rad2deg(np.arctan(lean))
    assert float(roll) == pytest.approx(expected, abs=0.5)
    assert abs(float(roll) - expected) <= float(pm) < 3
    leans = f"--geometry tilted --roll {roll}deg --center {center}"
    assert (leans in out) == bool(lean) and ("one center is enough" in out) == (not lean)
    scan = pr.TiltedBeam(steps, (rows, 48), angle_unit="deg", roll=float(roll), center=CENTER)
    at, column = scan.rays().pixels([[-5.0, 0, 0], [5.0, 0, 0]])[0].T
    assert np.diff(column) / np.diff(at) == pytest.approx(lean, abs=0.01)


def test_find_center_draws_its_search(scan, capsys):
    assert main(["find-center", "scan.h5", "--plot", "axis.png"]) == 0
    assert Path("axis.png").read_bytes().startswith(b"\x89PNG")
    assert "axis.png: scores of columns" in capsys.readouterr().out


def test_simulate_writes_what_recon_reads(here, capsys):
    argv = "simulate -o s.h5 --shape 2,24,24 --views 30 --seed 3 --center 12.5"
    assert main(argv.split()) == 0
    assert main(argv.split()) == 73
    assert main(["recon", "s.h5", "-o", "v.h5"]) == 0
    out = capsys.readouterr().out
    assert "1/mm" in out and "physrecon view v.h5" in out
    assert (
        main(["simulate", "-o", "t.h5", "--shape", "2,24,24", "--views", "3", "--phantom", "cat"])
        == 64
    )


def test_results_and_progress_go_their_own_ways(scan, capsys):
    assert main(["recon", "scan.h5", "-o", "v.h5", "--slab-rows", "1"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("scan.h5: Data Exchange, 90 views")
    assert lines[1].startswith("center: 22") and "±" in lines[1]
    assert lines[-1].startswith("v.h5: (3, 48, 48) float32, 1/pixel")
    progress = [line.split()[2:] for line in err.splitlines() if " recon " in line]
    assert [words[:2] for words in progress] == [["recon", f"{n}/3"] for n in (1, 2, 3)]


def test_a_terminal_is_told_why_the_solver_stopped(scan, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    argv = ["recon", "scan.h5", "-o", "v.h5", "--method", "cgls", "--iterations", "3"]
    assert main([*argv, "--center", "22.3"]) == 0
    last = sys.stderr.getvalue().replace("\r", "\n").rstrip().splitlines()[-1]
    assert last.startswith("stopped at the limit of 3 iterations")


def test_a_device_that_is_absent_is_seen_before_the_demo_writes(here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert main(["demo", "--device", "cuda"]) == 69
    assert not files(here / "physrecon-demo")


def test_a_stream_without_our_characters_is_no_error(scan, monkeypatch):
    for encoding in ("ascii", "latin-1"):
        plain = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(plain, encoding))
        assert main(["recon", "scan.h5", "-o", f"{encoding}.h5"]) == 0
        sys.stdout.flush()
        assert b"90 views over" in plain.getvalue()


def test_a_hint_can_be_pasted(here, capsys):
    write_scan(here / "scan.h5")
    assert main(["recon", "scan.h5", "-o", "my volume.h5"]) == 0
    assert "physrecon view 'my volume.h5'" in capsys.readouterr().out


def test_sigterm_before_the_first_slab_asks_for_another_run(scan, here, capsys, monkeypatch):
    import os
    import signal

    from physrecon.pipeline.scan import resolve

    find_axis = resolve.find_axis

    def signalled(*scan):
        os.kill(os.getpid(), signal.SIGTERM)
        return find_axis(*scan)

    monkeypatch.setattr(resolve, "find_axis", signalled)
    assert main(["recon", "scan.h5", "-o", "v.h5"]) == 75
    assert "run it again" in capsys.readouterr().err
    assert files(here) == {"scan.h5"}


def test_info_takes_what_the_user_knows_of_a_scan(here, capsys):
    write_scan(here / "a.h5", remove=["theta", "data_white"])
    assert main(["info", "a.h5"]) == 65
    assert "--angles FIRST..LAST/90" in capsys.readouterr().err
    given = [
        "--angles",
        "0..180/90",
        "--pixel-size",
        "2um",
        "--exclude-views",
        "3",
        "--transmission",
    ]
    assert main(["info", "a.h5", *given]) == 0
    said = capsys.readouterr().out
    assert "90 given" in said and "pixel size: 2 × 2 µm" in said and "1 of 90 left out" in said


def test_more_threads_than_there_are_cores_are_clipped_and_told(scan, here, capsys):
    assert main(["recon", str(scan), "-o", "v.h5", "--threads", "4096"]) == 0
    assert "of the 4096 asked for" in capsys.readouterr().err
    assert main(["recon", str(scan), "-o", "w.h5", "--threads", "1"]) == 0
    assert "asked for" not in capsys.readouterr().err
    with pr.open_volume("v.h5") as v, pr.open_volume("w.h5") as w:
        assert np.array_equal(v[:], w[:])


def test_without_a_name_the_output_is_that_of_the_plan(scan, here, capsys):
    assert main(["plan", str(scan)]) == 0
    assert "output: scan_rec.h5" in capsys.readouterr().out
    assert main(["recon", str(scan)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("scan_rec.h5: ")
    assert (here / "scan_rec.h5").exists()
