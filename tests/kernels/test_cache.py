"""The folder of compiled kernels: whose it may be, and what happens without one."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from physrecon.kernels._jit import inner

pytestmark = pytest.mark.thorough

SCRIPT = """
import numpy as np

from physrecon.kernels._jit import inner


@inner
def total(x):
    s = 0
    for i in range(len(x)):
        s += x[i]
    return s


print(total(np.ones(5, np.float32)), "loaded" if total.stats.cache_hits else "compiled")
"""
COMPILED, LOADED = ["5.0 compiled"], ["5.0 loaded"]
# A file may have 1000 bytes: a full disk or quota, as the program sees it.
FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"

needs_posix = pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners there")


@pytest.fixture
def run(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    def run(before="", **settings):
        env = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "HOME")}
        env |= {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        env |= {k: v for k, v in settings.items() if v is not None}
        for name in (k for k, v in settings.items() if v is None):
            env.pop(name, None)
        code = f"{before}exec(compile({SCRIPT!r}, {str(script)!r}, 'exec'))"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines(), done.stderr.splitlines()

    return run


def test_a_second_process_loads_what_the_first_compiled(run, tmp_path):
    folder = tmp_path / "kernels"
    assert run(NUMBA_CACHE_DIR=str(folder)) == (COMPILED, [])
    assert run(NUMBA_CACHE_DIR=str(folder)) == (LOADED, [])
    assert folder.stat().st_mode & 0o077 == 0


def test_a_full_disk_costs_the_cache_and_nothing_else(run, tmp_path):
    printed, said = run(FULL, NUMBA_CACHE_DIR=str(tmp_path / "kernels"))
    assert printed == COMPILED
    assert len(said) == 1 and "not kept" in said[0] and "File too large" in said[0]
    assert not [path for path in (tmp_path / "kernels").rglob("*") if path.is_file()]


@needs_posix
def test_a_folder_that_others_can_write_is_not_used(run, tmp_path):
    folder = tmp_path / "kernels"
    run(NUMBA_CACHE_DIR=str(folder))
    folder.chmod(0o777)
    printed, said = run(NUMBA_CACHE_DIR=str(folder))
    assert printed == COMPILED
    assert len(said) == 1 and "only you can write" in said[0] and "chmod go-w" in said[0]
    folder.chmod(0o700)
    assert run(NUMBA_CACHE_DIR=str(folder)) == (LOADED, [])


# A read-only install: what is beside the sources cannot be written.
READ_ONLY = """
from pathlib import Path

import physrecon.kernels._cache as cache
cache.BESIDE = Path("/proc/no such folder")
"""


def test_a_read_only_install_keeps_kernels_in_the_home(run, tmp_path):
    assert run(READ_ONLY, XDG_CACHE_HOME=None) == (COMPILED, [])
    assert run(READ_ONLY, XDG_CACHE_HOME=None) == (LOADED, [])
    assert (tmp_path / ".cache/physrecon").is_dir()


# No passwd entry: Path.home() raises without HOME.
UNKNOWN = """
import pwd

def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown
"""


@needs_posix
def test_an_unknown_user_without_a_home_has_a_folder_of_temporary_files(run, tmp_path):
    settings = {"HOME": None, "XDG_CACHE_HOME": None, "TMPDIR": str(tmp_path)}
    assert run(UNKNOWN + READ_ONLY, **settings) == (COMPILED, [])
    assert run(UNKNOWN + READ_ONLY, **settings) == (LOADED, [])
    folder = tmp_path / f"physrecon-{os.getuid()}"
    folder.chmod(0o777)
    printed, said = run(UNKNOWN + READ_ONLY, **settings)
    assert printed == COMPILED and len(said) == 1 and "NUMBA_CACHE_DIR" in said[0]


def test_a_damaged_file_is_replaced(run, tmp_path):
    folder = tmp_path / "kernels"
    run(NUMBA_CACHE_DIR=str(folder))
    (kept,) = (path for path in folder.rglob("*") if path.is_file())
    for damage in (b"", kept.read_bytes()[:-100]):
        kept.write_bytes(damage)
        assert run(NUMBA_CACHE_DIR=str(folder)) == (COMPILED, [])
        assert run(NUMBA_CACHE_DIR=str(folder)) == (LOADED, [])


def test_two_processes_that_compile_two_types_at_once_do_not_mix_them_up(tmp_path, monkeypatch):
    """The second process saves while the first does."""

    @inner
    def total(x):
        return x.sum()

    one, other = total._cache._cache_file, type(total._cache._cache_file)
    one._cache_path = str(tmp_path)
    second = other(str(tmp_path), "total", one._source_stamp)
    one._data_name_pattern = second._data_name_pattern
    save = other._save_data

    def saved_between(self, name, data):
        if self is one:
            second.save("int32", "code for int32")
        save(self, name, data)

    monkeypatch.setattr(other, "_load_index", lambda self: {})  # both looked before either saved
    monkeypatch.setattr(other, "_save_data", saved_between)
    one.save("float32", "code for float32")
    for each in (one, second):
        assert each.load("int32") == "code for int32"
        assert each.load("float32") in ("code for float32", None)


def test_cuda_kernels_are_kept_too(tmp_path):
    """As far as it can be seen without a device: what is saved is found again."""
    from numba.cuda.dispatcher import CUDACache

    from physrecon.kernels import vectors

    cache = vectors._dot_gpu.kernel._cache
    assert isinstance(cache, CUDACache)
    cache._cache_file._cache_path = str(tmp_path)
    codegen = SimpleNamespace(magic_tuple=lambda: ("sm_90",))
    kernel = SimpleNamespace(codegen=codegen, _reduce_states=lambda: {"cubin": b"code"})
    cache.save_overload(("float32",), kernel)
    assert cache._cache_file.load(cache._index_key(("float32",), codegen)) == {"cubin": b"code"}


def test_kernels_depend_on_the_sources_that_they_import(tmp_path, monkeypatch):
    from physrecon.kernels import _cache

    monkeypatch.setattr(_cache, "SOURCES", tmp_path)

    def digest():
        _cache._digest.cache_clear()
        return _cache._digest(tmp_path / "a.py")

    (tmp_path / "a.py").write_text("from physrecon.kernels.b import (\n    f,\n)\n")
    (tmp_path / "b.py").write_text("from physrecon.kernels._c import g\n")
    (tmp_path / "_c.py").write_text("g = 1\n")
    before = digest()
    (tmp_path / "_c.py").write_text("g = 2\n")
    assert digest() != before
    assert np.unique([before, digest(), digest()]).size == 2
