"""What lies in a folder."""

from __future__ import annotations

from pathlib import Path


def files(folder: Path) -> set[str]:
    """Files and folders at any depth, by their paths from the folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
