"""What is built is what is in the tree, importable anywhere, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def modules() -> list[str]:
    """Every module of the tree by its installed name; the links stand for kernels and datasets."""
    folder = ROOT / "physrecon"
    files = [
        path.relative_to(ROOT)
        for place in (folder, *(p for p in folder.iterdir() if p.is_symlink()))
        for path in place.rglob("*.py")
    ]
    dotted = {".".join(file.with_suffix("").parts) for file in files}
    return sorted(name.removesuffix(".__init__") for name in dotted)


def test_packages_are_those_of_the_tree():
    packages = {name for name in modules() if (ROOT / name.replace(".", "/")).is_dir()}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == packages


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Folder with the contents of the built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    # A copy, because a build leaves its own folders in the tree it builds.
    source = folder / "source"
    copy = "git ls-files -z --cached --others --exclude-standard | xargs -0 cp -P --parents -t"
    source.mkdir()
    subprocess.run(f"{copy} '{source}'", shell=True, cwd=ROOT, check=True)
    done = subprocess.run([*build, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.glob("*.whl")
    zipfile.ZipFile(file).extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_every_module_and_the_licence(wheel):
    names = [name.removeprefix("physrecon").lstrip(".") for name in modules()]
    for name in names:
        path = wheel / "physrecon" / name.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), name
    assert list(wheel.glob("*.dist-info/licenses/LICENSE"))
    assert (wheel / "physrecon/py.typed").is_file()
    assert (wheel / "physrecon/napari.json").is_file()


def test_the_citation_names_this_version():
    lines = (ROOT / "CITATION.cff").read_text().splitlines()
    assert f"version: {PROJECT['project']['version']}" in lines
    assert f"license: {PROJECT['project']['license']}" in lines


def test_every_module_imports_from_the_wheel_alone(wheel, tmp_path):
    code = f"""
import importlib, importlib.util, sys
sys.path.insert(0, {str(wheel)!r})
for name in {modules()!r}:
    file = importlib.import_module(name).__file__
    assert file.startswith({str(wheel)!r}), file
for name in ("kernels", "datasets"):
    assert importlib.util.find_spec(name) is None, name
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
