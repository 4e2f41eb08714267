"""Files that prove their content: SHA-256 of all that follows, in the first 512 bytes, and a label.

HDF5 leaves these bytes, its user block, to others.  They are checked before HDF5 sees the file,
because a single damaged byte can make it loop for ever, fill the memory or crash."""

from __future__ import annotations

import hashlib
from pathlib import Path

from physrecon.errors import DataError

HEADER = 512  # bytes; the smallest user block
TITLE = b"physrecon, SHA-256 of the bytes from 512 on: "


def seal(path: Path, label: str = "") -> None:
    """Write the header of a file whose first 512 bytes are free.  Raises OSError.

    label: one line of at most 256 bytes, which `label_of` reads."""
    with path.open("r+b") as file:
        file.seek(HEADER)
        header = _header(hashlib.file_digest(file, "sha256").digest(), label.encode())
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
        digest = hashlib.file_digest(file, "sha256").digest()
    if not header.startswith(TITLE):
        raise DataError(
            f"{path}: expected a file with its own checksum in front, as save_state writes it, got "
            "none; save it again."
        )
    if header != _header(digest, _label(header)):
        raise DataError(
            f"{path}: expected the content that was saved, got one of another checksum; the file "
            "is damaged, copy it again from the source."
        )


def _label(header: bytes) -> bytes:
    """The second line of a header, "" for another file."""
    lines = header.rstrip(b"\0").split(b"\n")
    return lines[1] if header.startswith(TITLE) and len(lines) > 1 else b""


def _header(digest: bytes, label: bytes) -> bytes:
    return (TITLE + digest.hex().encode() + b"\n" + label).ljust(HEADER, b"\0")
