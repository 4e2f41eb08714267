"""What users build on stays as it is: names, help, job files, the layout and bytes of results.

`tests/pins/` holds the record.  After a change that is meant, record it again and commit the diff:

    python tests/test_surface.py --write [names|help|jobs|layouts|bytes]

The bytes depend on the processor and on the libraries, so each machine has its own entry."""

from __future__ import annotations

import difflib
import functools
import hashlib
import inspect
import io
import json
import os
import re
import sys
import tempfile
import typing
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import h5py
import llvmlite.binding
import numba
import numpy as np
import pytest
import scipy
import tifffile

import physrecon as pr

PINS = Path(__file__).parent / "pins"
CLI = "physrecon.cli.main"
KINDS = {"scan": "physrecon.jobs.scan_job:ScanJob", "image": "physrecon.jobs.image_job:ImageJob"}

JOBS = {
    "scan-default": {"input": "scan.h5", "output": "volume.h5"},
    "scan": {
        "input": "in/scan.h5", "output": "out/volume.h5", "method": "fista", "likelihood": "huber",
        "outlier": 0.25, "nonnegative": True, "center": 296.5, "slices": "3:40", "rings": "sort",
        "angle_unit": "deg", "allow_root": "raw", "slab_rows": 8, "device": "cuda", "threads": 3,
        "memory": "4GB", "overwrite": True, "solver": {"iterations": 7}, "stop": {"rtol": 1e-4},
        "prior": {"name": "tv", "rule": "gcv", "isotropic": False, "slicewise": False},
    },
    "image-default": {"input": "stack.tif", "psf": "psf.tif", "output": "sharp.tif"},
    "image": {
        "input": "in/a.h5::/t0", "psf": "gaussian:sigma=0.2", "output": "sharp.h5", "method": "rl",
        "boundary": "reflect", "background": "auto", "psf_background": 2.5, "psf_center": [3, 8, 8],
        "normalize": False, "oversize": True, "accuracy": 0.01, "voxel_size": [0.3, 0.1, 0.1],
        "psf_voxel_size": [0.1], "length_unit": "um", "axes": "TZYX", "frames": "0:2",
        "solver": {"accelerate": False}, "stop": {"iterations": 9, "discrepancy": "auto"},
        "prior": {"name": "huber-tv", "delta": 0.1, "weight": 0.002},
    },
}  # fmt: skip

RUNS = {
    "fbp.h5": "recon scan.h5 --rings --filter hann",
    "cgls.h5": "recon scan.h5 --method cgls --iterations 4 --slab-rows 2 --center 25",
    "sirt.h5": "recon scan.h5 --method sirt --nonnegative --iterations 5 --center 25",
    "tv.h5": "recon scan.h5 --prior tv --weight 2e-4 --nonnegative --iterations 10 --center 25",
    "wiener.tif": "deconvolve stack.tif --axes TYX --psf gaussian:sigma=1.2 --method wiener",
    "rl-tv.h5": "deconvolve stack.tif --psf gaussian:sigma=1.2 --prior tv --iterations 8",
}  # output → command; fbp finds its axis, rl-tv chooses its weight


def names() -> dict[str, str]:
    """Every public name with its signature; of a class what its nearest public base has not."""
    rooms = {name: getattr(pr, name) for name in ("psf", "datasets", "geometry")}
    public = {
        room: {n: getattr(module, n) for n in module.__all__}
        for room, module in {"physrecon": pr, **rooms}.items()
    }
    public["errors"] = {n: v for n, v in vars(pr.errors).items() if isinstance(v, type)}
    known = [value for values in public.values() for value in values.values()]
    hints = [typing.get_type_hints(f).get("return") for f in filter(inspect.isfunction, known)]
    parts = {part for hint in hints for part in (hint, *typing.get_args(hint))}
    ours = [c for c in parts - set(filter(callable, known)) if "physrecon." in repr(c)]
    public["what these return"] = {c.__name__: c for c in ours if isinstance(c, type)}
    text = ""
    for title, values in public.items():
        lines = [_described(name, values[name], known) for name in sorted(values)]
        text += "\n".join([f"# {title}\n", *lines, "\n"])
    return {"names.txt": text.rstrip() + "\n"}


def _described(name: str, value: Any, public: list[Any]) -> str:
    if isinstance(value, dict):
        return f"{name}: {', '.join(value)}"
    if not callable(value):
        return f"{name}: {type(value).__name__}"
    if not isinstance(value, type):
        return f"{name}{_signature(value)}"
    bases = [c for c in value.__mro__[1:-1] if c in public or c.__module__ == "builtins"]
    family = f"class {name}({', '.join(c.__name__ for c in bases)})"
    if issubclass(value, Exception):
        return f"{family}: exit_code = {vars(value).get('exit_code', 'of its base')}"
    inherited = _members(bases[0]) if bases else []
    own = [line for line in _members(value) if line not in inherited]
    made_by = f": {name}{_signature(value)}" if value in public else ""
    return "\n    ".join([family + made_by, *own])


def _members(cls: type) -> list[str]:
    """Public methods and properties, wherever in the family they are defined."""
    lines = []
    for name, value in inspect.getmembers_static(cls, lambda v: not isinstance(v, type)):
        if isinstance(value, property | functools.cached_property):
            getter = value.fget if isinstance(value, property) else value.func
            lines.append(f"{name}: property{_signature(getter).partition(')')[2]}")
        elif isinstance(value, staticmethod | classmethod) or inspect.isfunction(value):
            lines.append(f"{name}{_signature(getattr(cls, name))}")
    return [line for line in lines if not line.startswith("_")]


def _signature(function: Any) -> str:
    """As Python shows it, without module prefixes, quotes about annotations, and addresses."""
    text = str(inspect.signature(function))
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)
    text = re.sub(r"<function \S+ at 0x\w+>", "<function>", text)
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=\w)", "", text)


def helps() -> dict[str, str]:
    """The help of the program and of every command, 100 columns wide."""
    top = _output("--help")
    commands = re.findall(r"^    ([a-z-]+)(?:  |$)", top, re.M)
    texts = {"physrecon": top} | {name: _output(name, "--help") for name in commands}
    return {f"help/{name}.txt": text for name, text in texts.items()}


def _output(*argv: str) -> str:
    """What the command prints."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), patch.dict(os.environ, COLUMNS="100"):
        code = import_module(CLI).main(argv)
    assert code == 0, f"{' '.join(argv)}: {err.getvalue()}"
    return out.getvalue()


def jobs() -> dict[str, str]:
    """The TOML of a job of every kind."""
    return {f"jobs/{name}.toml": _job(name).to_toml() for name in JOBS}


def _kind(name: str) -> Any:
    module, _, cls = KINDS[name.partition("-")[0]].partition(":")
    return getattr(import_module(module), cls)


def _job(name: str) -> Any:
    return _kind(name).build(JOBS[name], name)


@functools.cache
def _results() -> dict[str, tuple[str, str]]:
    """Of every run, the layout of its file and the hash of its array."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        pr.datasets.simulate_scan("scan.h5", (5, 48, 48), 60, "ellipsoids", seed=1, dead_pixels=2)
        sharp = np.float32(900) * pr.datasets.specimen((3, 40, 40), seed=1) + np.float32(20)
        blur = pr.Blur(pr.psf.gaussian((1, 9, 9), 1.2), sharp.shape)
        counts = np.random.default_rng(1).poisson(blur.forward(sharp))
        pr.write_image("stack.tif", np.asarray(counts, np.uint16), "ZYX")
        for name, command in RUNS.items():
            _output(*command.split(), "-o", name)
        return {name: (_layout(name), _hash(name)) for name in RUNS}


def _hash(name: str) -> str:
    with (pr.open_image if "deconvolve" in RUNS[name] else pr.open_volume)(name) as stored:
        return hashlib.sha256(np.ascontiguousarray(stored[...]).tobytes()).hexdigest()


def _layout(name: str) -> str:
    """Paths, types, shapes and names of attributes in a file, no values."""
    if name.endswith(".tif"):
        with tifffile.TiffFile(name) as tiff:
            lines = [f"series {s.axes} {s.dtype} {s.shape}" for s in tiff.series]
            for page in tiff.pages:
                lines.append("page: " + " ".join(sorted(t.name for t in page.aspage().tags)))
        return "\n".join(lines) + "\n"
    with h5py.File(name) as file:
        things: dict[str, Any] = {"/": file}
        file.visititems(lambda path, thing: things.update({f"/{path}": thing}))
        kinds = {k: f" {t.dtype} {t.shape}" for k, t in things.items() if hasattr(t, "shape")}
        return "".join(
            f"{k}{kinds.get(k, '')}: {' '.join(sorted(t.attrs))}".rstrip(": ") + "\n"
            for k, t in things.items()
        )


def layouts() -> dict[str, str]:
    """What is in the files of results, whatever the machine."""
    return {f"layouts/{name}.txt": layout for name, (layout, _) in _results().items()}


def hashes() -> dict[str, str]:
    """The hash of every result, beside those that other machines recorded."""
    made = {name: digest for name, (_, digest) in _results().items()}
    return {"bytes.json": json.dumps({**_recorded(), _machine(): made}, indent=2) + "\n"}


def _recorded() -> dict[str, dict[str, str]]:
    path = PINS / "bytes.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _machine() -> str:
    info = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
    name = (re.findall(r"model name\s*: (.+)", info) or ["unknown"])[0]
    versions = [f"{m.__name__} {m.__version__}" for m in (np, numba, scipy)]
    return ", ".join([f"{name} ({llvmlite.binding.get_host_cpu_name()})", *versions])


GROUPS: dict[str, Callable[[], dict[str, str]]] = {
    "names": names, "help": helps, "jobs": jobs, "layouts": layouts, "bytes": hashes,
}  # fmt: skip


def _files(group: str) -> dict[str, Path]:
    found = [p for pattern in (f"{group}.*", f"{group}/*") for p in PINS.glob(pattern)]
    return {p.relative_to(PINS).as_posix(): p for p in found}


@pytest.mark.parametrize("group", GROUPS)
def test_the_surface_is_as_recorded(group):
    command = f"python tests/test_surface.py --write {group}"
    if group == "bytes" and _machine() not in _recorded():
        pytest.skip(f"no bytes recorded for {_machine()}; record them with `{command}`")
    if group == "help" and sys.version_info >= (3, 13):
        pytest.skip("argparse prints options differently from Python 3.13 on")
    made, pinned = GROUPS[group](), {name: p.read_text() for name, p in _files(group).items()}
    diff: list[str] = []
    for name in sorted({*made, *pinned}):
        before, now = (texts.get(name, "").splitlines() for texts in (pinned, made))
        diff += difflib.unified_diff(before, now, f"tests/pins/{name}", "now", lineterm="")
    if diff:
        pytest.fail("\n".join([*diff, "", f"If this is meant: {command}"]), pytrace=False)


@pytest.mark.parametrize("name", JOBS)
def test_a_recorded_job_reads_back(name, monkeypatch):
    monkeypatch.chdir(PINS / "jobs")
    assert _kind(name).from_toml(f"{name}.toml") == _job(name)


if __name__ == "__main__":
    if sys.argv[1:2] != ["--write"] or not {*sys.argv[2:]} <= {*GROUPS}:
        sys.exit(__doc__)
    for group in sys.argv[2:] or GROUPS:
        made = GROUPS[group]()
        for path in _files(group).values():
            path.unlink()
        for name, text in made.items():
            (PINS / name).parent.mkdir(parents=True, exist_ok=True)
            (PINS / name).write_text(text)
            print(f"tests/pins/{name}")
