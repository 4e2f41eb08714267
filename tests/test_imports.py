"""The architecture as a test: imports run one way, and `import physrecon` costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import physrecon

ROOT = Path(__file__).resolve().parent.parent

# From the bottom up; a module may import modules of its own room and of the rooms below.
ROOMS = [
    "kernels",
    "arrays disk_arrays geometry spaces",
    "operators",
    "likelihoods noise noise_estimates priors problem",
    "solvers",
    "analytic axis_methods blocks centering checkpoint datasets defects image_job job "
    "job_file memory names psf preprocess settings store weight_choice weight_plot",
    "assemble deconvolve doubts execution image_data image_plan image_psf image_solve plan report "
    "run view",
    "cli commands demo deconvolution_demo option_types options __main__",
]
LEVEL = {name: level for level, room in enumerate(ROOMS) for name in room.split()}
SLOW = {"numba", "numba_cuda", "cupy", "h5py", "hdf5plugin", "scipy", "matplotlib", "torch"}
SLOW |= {"mpi4py", "pydantic", "tqdm", "skimage", "pywt", "tifffile", "PIL"}


def sources() -> list[Path]:
    folders = (ROOT / "physrecon", ROOT / "kernels", ROOT / "datasets")
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    linked = [ROOT / "physrecon/kernels", ROOT / "physrecon/datasets"]  # the same files again
    return [path for path in files if not any(link in path.parents for link in linked)]


def room_of(path: Path) -> str:
    """The first name below physrecon: operators for physrecon/operators/base.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "physrecon" else parts[0]


def imported(path: Path) -> list[tuple[int, str]]:
    """(line, dotted name) of all imports, those inside functions too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                found.append((node.lineno, "." * node.level))
            elif node.module == "physrecon":
                found += [(node.lineno, f"physrecon.{alias.name}") for alias in node.names]
            else:
                found.append((node.lineno, node.module or ""))
    return found


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    room = room_of(path)
    if room == "__init__":
        return  # the public names come from everywhere, each when it is used
    assert room == "errors" or room in LEVEL, f"{room}: give the module a room in ROOMS"
    for line, name in imported(path):
        where = f"{path.relative_to(ROOT)}:{line} imports {name}"
        assert not name.startswith("."), f"{where}; use absolute imports"
        top, *rest = name.split(".")
        assert top not in ("kernels", "datasets"), f"{where}; it is physrecon.{top}"
        if top != "physrecon":
            continue
        assert rest, f"{where}; import the module that is needed"
        target = rest[0]
        if target == "errors":
            assert room != "kernels", where
        elif target != "__version__":
            assert room != "errors", where
            assert LEVEL[target] <= LEVEL[room], f"{where}, which is upstairs"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "physrecon/solvers").glob("*.py")), ids=lambda path: path.stem
)
def test_solvers_know_no_operator_and_no_file(path):
    banned = ("physrecon.operators", "physrecon.kernels", "physrecon.store", "h5py")
    assert not [name for _, name in imported(path) if name.startswith(banned)]


def run(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def test_importing_physrecon_loads_nothing_slow():
    loaded = set(run("import physrecon, sys; print(*sys.modules)").split())
    assert not loaded & SLOW
    assert "physrecon.operators" not in loaded


def test_solving_loads_neither_files_nor_pictures():
    code = "import physrecon as pr, sys; pr.solve; pr.LeastSquares; pr.SIRT; print(*sys.modules)"
    assert not set(run(code).split()) & (SLOW - {"numba"})


def declared() -> set[str]:
    """The names that type checkers see."""
    tree = ast.parse((ROOT / "physrecon/__init__.py").read_text(encoding="utf-8"))
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        alias.name
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_public_names_agree():
    assert set(physrecon.__all__) == declared() | {"__version__"}
    assert set(physrecon.__all__) <= set(dir(physrecon))


@pytest.mark.parametrize("name", physrecon.__all__)
def test_public_name_is_there(name):
    assert getattr(physrecon, name) is not None


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'Reconstruct'"):
        physrecon.Reconstruct  # noqa: B018
    with pytest.raises(ImportError):
        import_module("physrecon.reconstruct")
