"""Compiled kernels on the disk: whose folder, which files, and what happens without them.

A compiled kernel is code that every later process runs.  So it is taken only from a folder that
belongs to the user or to root and that nobody else can write; the folder beside the sources is
trusted as they are.  A cache saves time and nothing else: where none can be written, kernels are
compiled by every process, and one warning says so."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba
from numba.core import caching

SOURCES = Path(__file__).parent
BESIDE = SOURCES / "__pycache__"
NO_CODE = ("_cache", "_threads")  # modules that no compiled kernel depends on

config: Any = numba.config


class CacheWarning(UserWarning):
    """Compiled kernels cannot be kept."""


def cached(dispatcher: Any, numbas: Any = caching.FunctionCache) -> Any:
    """A kernel that is kept on the disk.  numbas: the kind of cache for its machine."""
    content = type("Content", (numbas._impl_class,), {"_locator_classes": [_Locator]})
    kind = type("KernelCache", (_Kept, numbas), {"_impl_class": content})
    dispatcher._cache = kind(dispatcher.py_func)
    return dispatcher


def cached_on_gpu(dispatcher: Any) -> Any:
    """A CUDA kernel that is kept on the disk; the simulator compiles nothing."""
    if not hasattr(dispatcher, "enable_caching"):
        return dispatcher
    from numba.cuda.dispatcher import CUDACache

    return cached(dispatcher, CUDACache)


# The folder -------------------------------------------------------------------------------------


@lru_cache(1)
def _folder() -> tuple[Path | None, str]:
    """(folder, "") or (None, why there is none)."""
    if config.CACHE_DIR:
        folder = Path(config.CACHE_DIR)
        reason = _refusal(folder)
        return (None if reason else folder), reason
    if _writable(BESIDE):
        return BESIDE, ""
    reason = "no folder can be written"
    for folder in _of_the_user():
        reason = _refusal(folder)
        if not reason and _writable(folder):
            return folder, ""
    return None, f"{reason or 'no folder can be written'}; name one with NUMBA_CACHE_DIR"


def _of_the_user() -> Iterator[Path]:
    """Folders in the home, or for a user without one in that of temporary files."""
    with suppress(RuntimeError):  # HOME is not set, and the system does not know the user
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "physrecon"
    with suppress(FileNotFoundError):  # no folder for temporary files
        user = os.getuid() if hasattr(os, "getuid") else "kernels"
        yield Path(tempfile.gettempdir()) / f"physrecon-{user}"


def _refusal(folder: Path) -> str:
    """Why a folder is not used; it is made, for the user alone, if it is not there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        return f"{folder}: {error.strerror or error}"
    if not hasattr(os, "geteuid"):
        return ""
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), 0):
        return f"{folder}: expected a folder of yours, got one of somebody else"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return (
            f"{folder}: expected a folder that only you can write, got mode "
            f"{stat.S_IMODE(found.st_mode):o}; run `chmod go-w {folder}`"
        )
    return ""


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


# Its files --------------------------------------------------------------------------------------


class _Locator(caching.UserProvidedCacheLocator):
    """The folder of the kernels of one source, and the digest of what they are compiled from."""

    def __init__(self, function: Any, source: str) -> None:
        self._py_file, self._lineno = source, function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, function: Any, source: str) -> _Locator:
        return cls(function, source)

    def get_cache_path(self) -> str:
        folder, _ = _folder()
        if folder is None or folder == BESIDE:
            return os.path.join(os.path.dirname(self._py_file), "__pycache__")
        return os.path.join(folder, self.get_suitable_cache_subpath(self._py_file))

    def get_source_stamp(self) -> Any:
        return _digest(Path(self._py_file))


@lru_cache(None)
def _digest(source: Path) -> str:
    """Digest of a source and of the kernels that it imports."""
    content = source.read_bytes()
    names = re.findall(rb"^from physrecon\.kernels\.(\w+) import", content, re.MULTILINE)
    others = sorted({name.decode() for name in names} - {source.stem, *NO_CODE})
    parts = [_digest(SOURCES / f"{name}.py") for name in others]
    return hashlib.sha256(content + "".join(parts).encode()).hexdigest()


class _Files(caching.IndexDataCacheFile):
    """One file for each type of arguments, which states what it was compiled from and for.

    Numba numbers the files of a kernel in an index; two processes that extend it at once give one
    number to two types, and the code of one runs on the arguments of the other."""

    def save(self, key: Any, data: Any) -> None:
        self._save_data(self._name(key), (self._version, self._source_stamp, key, data))

    def load(self, key: Any) -> Any:
        try:
            *made_for, data = self._load_data(self._name(key))
        except Exception:  # absent or damaged: it is compiled, and the file is replaced
            return None
        return data if made_for == [self._version, self._source_stamp, key] else None

    def _name(self, key: Any) -> str:
        return self._data_name(int(hashlib.sha256(repr(key).encode()).hexdigest()[:12], 16))


class _Kept:
    """What our caches have in common; a cache of Numba follows in the order of classes."""

    _impl: Any
    _cache_path: Any

    def __init__(self, function: Any) -> None:
        super().__init__(function)  # type: ignore[call-arg]
        stamp = self._impl.locator.get_source_stamp()  # type: ignore[attr-defined]
        base = self._impl.filename_base  # type: ignore[attr-defined]
        self._cache_file = _Files(self._cache_path, base, stamp)  # type: ignore[has-type]

    def load_overload(self, signature: Any, target: Any) -> Any:
        if _folder()[0] is None:
            return None
        return super().load_overload(signature, target)  # type: ignore[misc]

    def save_overload(self, signature: Any, data: Any) -> None:
        folder, reason = _folder()
        if folder is not None:
            try:
                return super().save_overload(signature, data)  # type: ignore[misc]
            except OSError as error:  # a disk or a quota that is full, say
                reason = f"{self._cache_path}: {error.strerror or error}"
        _say_once(f"compiled kernels are not kept: {reason}")


@lru_cache(1)
def _say_once(text: str) -> None:
    warnings.warn_explicit(text, CacheWarning, "physrecon", 0)  # one line, no place in a source
