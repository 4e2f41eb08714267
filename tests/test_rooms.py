"""The architecture as a test: who may know whom, and `import physrecon` costs nothing.

A room is a folder of `physrecon/` or one of the files beside them; docs/architecture.md draws
them."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import physrecon

ROOT = Path(__file__).resolve().parent.parent

# A room may import itself, `errors`, `cancellation`, and these.  A new arrow is a visible diff.
MAY = {
    "kernels": "", "sizes": "", "machine": "", "catalog": "", "foreign": "", "cancellation": "",
    "notebook": "",
    "geometry": "foreign", "psf": "foreign notebook", "arrays": "kernels foreign",
    "comparison": "arrays notebook pictures",
    "pictures": "arrays io", "model_check": "arrays",
    "preprocess": "arrays geometry operators analytic sizes",
    "operators": "arrays geometry kernels",
    "likelihoods": "arrays operators kernels notebook", "priors": "arrays operators kernels",
    "problem": "arrays operators likelihoods priors notebook",
    "solvers": "arrays catalog likelihoods operators priors problem pictures notebook",
    "analytic": "arrays geometry operators",
    "alignment": "arrays geometry operators",
    "io": "arrays geometry sizes notebook",
    "datasets": "arrays geometry kernels machine sizes io",
    "jobs": "catalog sizes",
    "pipeline": "arrays geometry sizes machine catalog operators likelihoods priors problem "
                "solvers analytic preprocess psf io jobs pictures model_check alignment",
    "demos": "arrays datasets io jobs likelihoods operators pictures pipeline psf",
    "report": "io pictures",
    "napari_plugin": "datasets io operators psf",
    "cli": "catalog datasets demos io jobs pictures pipeline report sizes",
}  # fmt: skip

# A slow library may be named only in
ONLY = {
    "matplotlib": "pictures/",
    "tifffile": "io/images/ io/output/",
    "PIL": "io/images/ pictures/ notebook.py",
    "h5py": "io/ pipeline/checkpoint.py datasets/simulate.py",
    "numba.cuda": "kernels/",
    "cupy": "arrays/device.py",
}
SLOW = {"numba", "numba_cuda", "cupy", "h5py", "hdf5plugin", "scipy", "matplotlib", "torch"}
SLOW |= {"mpi4py", "pydantic", "tqdm", "skimage", "pywt", "tifffile", "PIL"}

MOST_LINES = {"file": 400, "function": 60}
# What is longer, and why.
LONGER = {
    "operators/base.py": "A + B is an operator and operators know +: they define each other",
}


def sources() -> list[Path]:
    folders = (ROOT / "physrecon", ROOT / "kernels", ROOT / "datasets")
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    linked = [ROOT / "physrecon/kernels", ROOT / "physrecon/datasets"]  # the same files again
    return [path for path in files if not any(link in path.parents for link in linked)]


def place_of(path: Path) -> str:
    """Below physrecon: operators/base.py; kernels/ and datasets/ lie there too."""
    return str(path.relative_to(ROOT)).removeprefix("physrecon/")


def imported(path: Path) -> list[tuple[int, str, str]]:
    """(line, module, name or nothing) of all imports, those inside functions too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found += [(node.lineno, module, alias.name) for alias in node.names]
    return found


def file_of(module: str, name: str = "") -> str | None:
    """The place of the file that `from module import name` loads, None outside physrecon."""
    if module.split(".")[0] != "physrecon":
        return None
    for dotted in (f"{module}.{name}", module):
        folder = ROOT / dotted.replace(".", "/")
        for path in (folder.with_suffix(".py"), folder / "__init__.py"):
            if path.is_file():
                return str(path.relative_to(ROOT)).removeprefix("physrecon/")
    return None


every_file = pytest.mark.parametrize("path", sources(), ids=place_of)


@every_file
def test_rooms_know_whom_they_may(path):
    room = place_of(path).split("/")[0].removesuffix(".py")
    if room in ("__init__", "__main__"):
        return  # the public names come from everywhere, each when it is used
    assert room == "errors" or room in MAY, f"{room}: give the room a line in MAY"
    may = {room, "cancellation", *MAY.get(room, "").split()}
    may |= {"errors"} if room != "kernels" else set()
    for line, module, name in imported(path):
        where = f"{place_of(path)}:{line} imports {name} of {module}"
        assert not module.startswith("."), f"{where}; use absolute imports"
        assert module not in ("kernels", "datasets"), f"{where}; it is physrecon.{module}"
        if (target := file_of(module, name)) and name != "__version__":
            assert target.split("/")[0].removesuffix(".py") in may, where


@every_file
def test_slow_libraries_stay_in_their_rooms(path):
    for line, module, name in imported(path):
        for library, places in ONLY.items():
            if f"{module}.{name}.".startswith(f"{library}."):
                where = f"{place_of(path)}:{line} imports {library}"
                assert place_of(path).startswith(tuple(places.split())), where


@every_file
def test_private_names_stay_at_home(path):
    for line, module, name in imported(path):
        private = name.startswith("_") and name != "__version__" and file_of(module)
        is_file = file_of(module, name) != file_of(module)
        where = f"{place_of(path)}:{line} imports {name} of {module}"
        assert not private or is_file or module == "__future__", where


def test_files_run_in_no_circle():
    """Whoever imports whom, for types alone or inside a function too."""
    arrows = {
        place_of(path): {file_of(module, name) for _, module, name in imported(path)} - {None}
        for path in sources()
        if place_of(path) != "__init__.py"
    }
    done: set[str] = set()

    def walk(file: str, above: tuple[str, ...]) -> None:
        assert file not in above, " → ".join((*above[above.index(file) :], file))
        for target in sorted(arrows.get(file, set()) - done - {file}):
            walk(target, (*above, file))
        done.add(file)

    for file in sorted(arrows):
        walk(file, ())


@every_file
def test_a_file_is_one_thing(path):
    if place_of(path).startswith("kernels/"):
        return
    text = path.read_text(encoding="utf-8")
    long = [("file", place_of(path), len(text.splitlines()))]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            long.append(("function", f"{place_of(path)}:{node.name}", lines))
    for kind, what, lines in long:
        assert lines <= MOST_LINES[kind] or what in LONGER, f"{what}: {lines} lines"


def test_a_test_file_is_one_thing():
    for path in sorted((ROOT / "tests").rglob("*.py")):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= MOST_LINES["file"], f"{path.relative_to(ROOT)}: {lines} lines"


def test_exceptions_are_few():
    assert len(LONGER) <= 3


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


def test_public_names_are_listed():
    assert {"Projector", "fbp", "datasets", "__version__"} <= set(physrecon.__all__)
    assert set(physrecon.__all__) <= {*dir(physrecon), "__version__"}


@pytest.mark.parametrize("name", physrecon.__all__)
def test_public_name_is_there(name):
    assert getattr(physrecon, name) is not None


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="Reconstruct"):
        physrecon.Reconstruct  # noqa: B018
    with pytest.raises(ImportError):
        import_module("physrecon.reconstruct")
