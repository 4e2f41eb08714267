"""The process that reads an HDF5 file first, so that a damaged file ends this process and no other.

HDF5 believes its files: an object of size 0 in a global heap is an endless loop, a hyperslab of
rank 232 overwrites the stack, a damaged length fills the memory.  `hdf5_probe` runs this file as a
script.  A request names a file and a place in it.  Every object from there on is opened, and its
links, attributes, texts and mappings are read, as the requester will read them.

Imports the standard library, numpy and h5py alone, from the folders named in the arguments.  A
message is its length (4 bytes) and JSON.  Nothing is kept from one request to the next."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import struct
import sys
import time
from collections import deque
from types import ModuleType
from typing import Any, BinaryIO

if __name__ == "__main__":
    sys.path[:] = sys.argv[1:]

import h5py
import numpy as np

resource: ModuleType | None
try:
    import resource
except ImportError:  # Windows: the requester's clock is the only limit
    resource = None

MEMORY = 1 << 30  # bytes beyond those of the libraries: 65 000 sources of a virtual dataset
CPU_SECONDS = 2  # of one request; waiting for a slow disk takes none
BATCH_SECONDS = 1.0  # a longer request ends after the object at hand
BATCH = 500  # objects of one request
MAX_VALUE = 1 << 24  # bytes of one attribute or of the texts of a dataset
MAX_LINKS = 20_000  # links of one group
MAX_TEXTS = 1000  # texts in one dataset; more are not read
FEW_CHUNKS = 1000  # the index of more chunks is read on request
GROWING = "growing"  # virtual, with a shape that depends on the sources
INDEXED = "indexed"  # with a chunk index that was read
IDLE_SECONDS = 60  # then the process ends


def main() -> None:
    """Answer requests until the other side closes the pipe."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    _send(answers, {"hdf5": h5py.version.hdf5_version})
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    _limit_memory()
    while request := _receive(requests):
        started = time.process_time()
        _limit_time(started)
        try:
            answer = look(**request)
        except Exception as error:
            answer = {"error": _reason(error)}
        _send(answers, {**answer, "seconds": time.process_time() - started})


def look(path: str, start: str, address: int | None, index: bool) -> dict[str, Any]:
    """Read the object `start`, those after it in its group, and all beneath, breadth first.

    Hard links alone are followed, to each object once.  address: of `start` in the file; None for
    the root group.  index: read `start` alone, with its chunk index.  Returns "objects", pairs of
    an address and "" or the reason why that object cannot be read, and the addresses of datasets
    that are GROWING or INDEXED."""
    verdicts: dict[int, str] = {}
    facts: dict[str, list[int]] = {GROWING: [], INDEXED: []}
    end = time.monotonic() + BATCH_SECONDS
    with h5py.File(path, "r", locking=False) as file:
        here = start.encode("utf-8", "surrogateescape")
        if address is None:
            address = _address(h5py.h5g.open(file.id, here))
        queue, seen = deque([(here, address)]), {address}
        if here != b"/" and not index:
            above, _, name = here.rpartition(b"/")
            queue.extend(_new_members(file[above or b"/"].id, above, seen, after=name))
        while queue and len(verdicts) < (1 if index else BATCH) and time.monotonic() < end:
            name, address = queue.popleft()
            try:
                thing = file[name]
                _read_attributes(thing.id)
                if isinstance(thing, h5py.Dataset):
                    for fact in _read_header(thing.id, index):
                        facts[fact].append(address)
                if isinstance(thing, h5py.Group):
                    queue.extend(_new_members(thing.id, name, seen))
                verdicts[address] = ""
            except Exception as error:
                verdicts[address] = _reason(error)
    return {"objects": list(verdicts.items()), **facts}


def _address(node: Any) -> int:
    low, high = h5py.h5g.get_objinfo(node).objno  # high: only where a C long has 32 bits
    return low + (high << 32)


def _reason(error: Exception) -> str:
    return str(error)[:300] or type(error).__name__


def _new_members(
    group: Any, path: bytes, seen: set[int], after: bytes | None = None
) -> list[tuple[bytes, int]]:
    """Path and address of members not yet seen.  All names are read, and MAX_LINKS links.

    after: the member behind which they are wanted."""
    names = list(group)
    names = names[names.index(after) + 1 :] if after else names
    found = []
    for name in names[:MAX_LINKS]:
        link = group.links.get_info(name)
        if link.type == h5py.h5l.TYPE_HARD and link.u not in seen:
            seen.add(link.u)
            found.append((path.rstrip(b"/") + b"/" + name, link.u))
        elif link.type in (h5py.h5l.TYPE_SOFT, h5py.h5l.TYPE_EXTERNAL):
            group.links.get_val(name)
    return found


def _read_attributes(node: Any) -> None:
    for number in range(h5py.h5a.get_num_attrs(node)):
        attribute = h5py.h5a.open(node, index=number)
        try:
            kind, shape = attribute.dtype, attribute.shape
        except TypeError:  # of no type of NumPy: the requester cannot read it either
            continue
        if shape is None or 0 in shape:
            continue
        where = f"attribute {attribute.name.decode('utf-8', 'replace')}"
        _check_length(math.prod(shape) * kind.itemsize, where)
        base, inner = kind.subdtype or (kind, ())
        values = np.empty(shape + inner, base)
        attribute.read(values, mtype=h5py.h5t.py_create(kind))
        _check_length(_text_length(values), where)


def _read_header(data: Any, index: bool) -> list[str]:
    """Read all that is known of a dataset but its numbers; whether it is GROWING or INDEXED.

    HDF5 opens the sources of a growing dataset when it is asked for the shape, so it is not asked
    here."""
    kind, layout = data.dtype, data.get_create_plist()
    storage = layout.get_layout()
    if storage == h5py.h5d.VIRTUAL:
        grows = [_grows(layout, number) for number in range(layout.get_virtual_count())]
        return [GROWING] if any(grows) else []
    for number in range(layout.get_nfilters()):
        layout.get_filter(number)
    shape = data.shape or (0,)
    if storage != h5py.h5d.CHUNKED:
        data.get_storage_size()
        data.get_offset()
    else:
        sides = zip(shape, layout.get_chunk(), strict=True)
        index = index or math.prod(-(-n // c) for n, c in sides) <= FEW_CHUNKS
        if index:
            data.get_num_chunks()
    if kind.hasobject and math.prod(shape) <= MAX_TEXTS and not layout.get_external_count():
        _check_length(_text_length(h5py.Dataset(data)[()]), "text")
    return [INDEXED] if index else []


def _grows(layout: Any, number: int) -> bool:
    for part in (layout.get_virtual_filename, layout.get_virtual_dsetname):
        part(number)
    layout.get_virtual_srcspace(number)
    try:
        layout.get_virtual_vspace(number).get_select_npoints()
    except RuntimeError:  # unlimited
        return True
    return False


def _text_length(value: Any) -> int:
    """Bytes of a value of variable length, or of all in an array of them."""
    if isinstance(value, np.ndarray):
        return sum(map(_text_length, value.ravel())) if value.dtype.hasobject else value.nbytes
    return len(value) if isinstance(value, (str, bytes)) else 0


def _check_length(length: int, where: str) -> None:
    if length > MAX_VALUE:
        raise ValueError(f"{where}: {length} bytes are more than any text has")


def _limit_memory() -> None:
    """At most MEMORY bytes more than now, where the system can count them; no core files."""
    if resource is None:
        return
    try:
        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        now = MEMORY  # the libraries reserve less
    for limit, most in ((resource.RLIMIT_AS, now + MEMORY), (resource.RLIMIT_CORE, 0)):
        _set_limit(limit, most)


def _limit_time(used: float) -> None:
    if resource is not None:
        _set_limit(resource.RLIMIT_CPU, math.ceil(used) + CPU_SECONDS)


def _set_limit(limit: int, most: int) -> None:
    assert resource is not None
    _, hard = resource.getrlimit(limit)
    if hard == resource.RLIM_INFINITY or most < hard:
        with contextlib.suppress(OSError, ValueError):  # macOS sets some of them only
            resource.setrlimit(limit, (most, hard))


def _receive(requests: BinaryIO) -> dict[str, Any]:
    """The next request; {} at the end of the pipe.  The process ends after IDLE_SECONDS."""
    if hasattr(signal, "alarm"):
        signal.alarm(IDLE_SECONDS)
    head = requests.read(4)
    body = requests.read(struct.unpack("<I", head)[0]) if len(head) == 4 else b"{}"
    if hasattr(signal, "alarm"):
        signal.alarm(0)
    return json.loads(body)


def _send(answers: BinaryIO, answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    answers.write(struct.pack("<I", len(body)) + body)
    answers.flush()


if __name__ == "__main__":
    main()
