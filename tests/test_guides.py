"""The Python of the README and the guides runs, and prints what they say it prints."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import physrecon as pr

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", re.DOTALL)
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
DATA = os.environ.get("PHYSRECON_TEST_DATA")


def blocks():
    found = []
    for page in PAGES:
        for i, (code, printed) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            name = f"{page.relative_to(ROOT)}-{i}"
            # Of measured data, or a search of half a minute.
            long = ("tooth.h5" in code or "choose_weight" in code) and not DATA
            skip = pytest.mark.skipif(long, reason="PHYSRECON_TEST_DATA is not set")
            found.append(pytest.param(code, printed, id=name, marks=skip))
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the pages read."""
    monkeypatch.chdir(tmp_path)
    rng, voxels = np.random.default_rng(0), (0.3, 0.1, 0.1)
    grids = np.ogrid[:13, :30, :60]
    for name, peaks in {"beads": [(6, 14, 14), (6, 15, 44)], "stack": [(5, 9, 20)]}.items():
        image = np.full((13, 30, 60), 2.0)
        for peak in peaks:
            far = sum((g - p) ** 2 / 2 for g, p in zip(grids, peak, strict=True))
            image += 400 * np.exp(-far / 2)
        pr.write_image(f"{name}.tif", rng.poisson(image).astype(np.uint16), "ZYX", voxels, "um")
    pr.write_image("volume.h5", np.ones((2, 3, 3), np.float32), "ZYX")
    if DATA:
        shutil.copy(Path(DATA) / "aps_tooth/tooth.h5", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("code", "expected"), blocks())
def test_python_runs(code, expected, folder, capsys):
    exec(compile(code, "the block", "exec"), {"__name__": "guide"})
    printed = capsys.readouterr().out
    if expected:
        assert NUMBER.sub("#", printed) == NUMBER.sub("#", expected)
        found, said = ([float(n) for n in NUMBER.findall(t)] for t in (printed, expected))
        # Rounding differs from machine to machine; so may an iteration or two.
        assert found == pytest.approx(said, rel=0.05, abs=1e-8)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_quick_part_of_the_tests_is_there():
    quick = re.search(r"\$ pytest (tests/.*?) +#", (ROOT / "README.md").read_text(encoding="utf-8"))
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *shlex.split(quick[1])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+)/\d+ tests collected", done.stdout)[1]) > 100


def test_the_picture_of_the_rooms_is_that_of_the_imports():
    command = [sys.executable, ROOT / "docs/draw_rooms.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
