"""Files that prove their content: a SHA-256 and a label in the first 512 bytes.

HDF5 leaves these bytes, its user block, to others.  They are checked before HDF5 sees the file,
because a single damaged byte can make it loop for ever, fill the memory or crash."""

from __future__ import annotations

import hashlib
from io import BufferedRandom, BufferedReader
from pathlib import Path

from physrecon.errors import DataError

HEADER = 512  # bytes; the smallest user block
TITLE = b"physrecon, SHA-256 of the bytes from 512 on: "


def seal(path: Path, label: str = "") -> None:
    """Write the header of a file whose first 512 bytes are free.  Raises OSError.

    label: text of at most 256 bytes that `label_of` reads, and the checksum covers."""
    with path.open("r+b") as file:
        file.seek(HEADER)
        header = _header(file, label.encode())
        file.seek(0)
        file.write(header)


def label_of(path: Path) -> str:
    """The label of a sealed file, "" for a file without one.  Raises OSError."""
    with path.open("rb") as file:
        return _label(file.read(HEADER)).decode(errors="replace")


def require_seal(path: Path) -> None:
    """Raise DataError unless the file has the content with which it was sealed; OSError."""
    with path.open("rb") as file:
        header = file.read(HEADER)
        wanted = _header(file, _label(header))
    if not header.startswith(TITLE):
        raise DataError(
            f"{path}: expected a file with its own checksum in front, as save_state writes it, got "
            "none; save it again."
        )
    if header != wanted:
        raise DataError(
            f"{path}: expected the content that was saved, got one of another checksum; the file "
            "is damaged, copy it again from the source."
        )


def _label(header: bytes) -> bytes:
    """All that follows the first line of a header; nothing for another file."""
    return header.partition(b"\n")[2].rstrip(b"\0") if header.startswith(TITLE) else b""


def _header(file: BufferedReader | BufferedRandom, label: bytes) -> bytes:
    """The header for the rest of a file, and the label."""
    digest = hashlib.file_digest(file, "sha256")
    digest.update(label)
    return (TITLE + digest.hexdigest().encode() + b"\n" + label).ljust(HEADER, b"\0")
