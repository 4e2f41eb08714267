"""Docstrings of the names that a newcomer meets have one form; `help` says where to begin."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import physrecon as pr

ROOT = Path(__file__).resolve().parent.parent
FIRST = [
    "fbp", "solve", "iterate", "Stop", "Problem", "LeastSquares", "Projector", "Blur",
    "ParallelBeam", "TiltedBeam", "FanBeam", "ConeBeam", "HelicalCone", "VectorBeam",
    "Grid", "open_scan", "open_volume", "choose_weight", "check_model", "compare",
    "as_operator", "as_scipy", "as_real", "as_complex", "sum_over",
]  # fmt: skip
SECTIONS = ["Args", "Returns", "Raises", "Source", "Example"]  # in this order
NEEDLESS = {"as_real": {"Raises"}, "as_complex": set(), "as_scipy": {"Returns"}}


def sections(name):
    """Title → text of the sections of a docstring."""
    parts = re.split(r"^(\w+):$", inspect.getdoc(getattr(pr, name)), flags=re.M)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


@pytest.mark.parametrize("name", FIRST)
def test_it_has_one_form(name):
    found, thing = sections(name), getattr(pr, name)
    assert re.match(r"[^\n]+\.?\n", found[""]), "a summary in one line"
    titles = [title for title in found if title]
    assert titles == [title for title in SECTIONS if title in titles]
    needed = {"Args", "Raises", "Example"} | (set() if isinstance(thing, type) else {"Returns"})
    assert needed - NEEDLESS.get(name, set()) <= {*titles}
    assert ">>>" in found["Example"]


@pytest.mark.parametrize("name", FIRST)
def test_every_parameter_is_explained(name):
    told = re.findall(r"^    (\w+(?:, \w+)*):", sections(name)["Args"], flags=re.M)
    told = [one for names in told for one in names.split(", ")]
    parameters = inspect.signature(getattr(pr, name)).parameters
    assert sorted(told) == sorted(parameters)
    kinds = {p.kind for p in parameters.values()}
    assert not kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


@pytest.mark.parametrize("name", FIRST)
def test_arrays_have_a_type(name):
    thing = getattr(pr, name)
    notes = inspect.get_annotations(thing.__init__ if isinstance(thing, type) else thing)
    vague = {"f", "A", "weights"}  # any likelihood; whatever as_operator takes; broadcast values
    assert not {one for one, note in notes.items() if note in ("Any", "Vector")} - vague


def test_an_operator_of_ones_own_is_explained_in_help():
    text = inspect.getdoc(pr.LinearOperator)
    for needed in ("in_shape", "_forward", "_adjoint", "_norm_bounds", "slices", "as_operator"):
        assert needed in text


def test_help_lists_every_name():
    words = set(re.findall(r"\w+", pr.__doc__))
    assert {*dir(pr)} - {"__version__"} <= words
    assert "import physrecon as pr" in pr.__doc__ and "docs/guide" in pr.__doc__


SCRIPT = """
import numpy as np
import physrecon as pr
scan = pr.ParallelBeam(np.arange(180.0), (4, 128), angle_unit="deg")
A = pr.Projector(scan)
x = pr.fbp(A @ np.ones(A.in_shape, np.float32), scan)
result = pr.solve(pr.Problem(pr.LeastSquares(A, A @ x), pr.TV(0.1)), pr.CGLS())
reveal_type(x)
reveal_type(A @ x)
reveal_type(result.x)
reveal_type(result.residual)
reveal_type(A @ A.T)
reveal_type(pr.as_operator(np.eye(3)))
reveal_type(pr.compare(x, x).psnr)
pr.fbp(scan, scan)
"""


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_a_script_is_checked_with_real_types(tmp_path):
    """Arrays are arrays, operators are operators, and a mistake is found."""
    assert (ROOT / "physrecon/py.typed").exists()
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "mypy", tmp_path / "script.py"]  # with our settings and cache
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    revealed = re.findall(r'Revealed type is "(.*)"', found.stdout)
    assert len(revealed) == 7, found.stdout + found.stderr
    assert all("ndarray" in kind and "floating" in kind for kind in revealed[:4]), revealed
    assert all("LinearOperator" in kind for kind in revealed[4:6]) and "dict" in revealed[6]
    assert 'Argument 1 to "fbp" has incompatible type "ParallelBeam"' in found.stdout
    assert found.stdout.count("error:") == 1, found.stdout
