"""Raw-count scans of discs; the line integral at distance s from the centre is 2 μ √(r² - s²)."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

MU, RADIUS = 0.03, 14.0
COLUMNS, CENTER = 48, 22.3
DISC_Y, DISC_X = 3.0, -4.0


def line_integrals(angles_deg, rows, columns=COLUMNS, center=CENTER):
    """(views, rows, columns) of one disc per row, off the axis; row r is (1 + r / 10) μ."""
    theta = np.deg2rad(angles_deg)[:, None]
    s = np.arange(columns) - center - (DISC_X * np.cos(theta) + DISC_Y * np.sin(theta))
    chord = 2 * np.sqrt(np.maximum(RADIUS**2 - s**2, 0))
    return MU * (1 + np.arange(rows) / 10)[None, :, None] * chord[:, None, :]


def disc(scan, radius, value, x=0.0, y=0.0, supersample=8):
    """Exact projections (views, rows, columns) of a disc, averaged over each column."""
    fine = (np.arange(scan.shape[2] * supersample) + 0.5) / supersample - 0.5
    t = (fine - scan.center) * scan.column_pitch
    away = t - x * np.cos(scan.radians)[:, None] - y * np.sin(scan.radians)[:, None]
    chord = 2 * value * np.sqrt(np.maximum(radius**2 - away**2, 0))
    rows = chord.reshape(len(scan), scan.shape[2], supersample).mean(axis=2)
    return np.repeat(rows[:, None], scan.shape[1], axis=1)


def write_scan(path: Path, rows=3, views=90, remove=(), **replace) -> Path:
    """A sound Data Exchange file, less `remove`, with `replace` instead of what it would hold."""
    angles = np.arange(views) * 180 / views
    counts = 50 + 9950 * np.exp(-line_integrals(angles, rows))
    contents = {
        "data": np.rint(counts).astype(np.uint16),
        "data_white": np.full((4, rows, COLUMNS), 10_000, np.uint16),
        "data_dark": np.full((4, rows, COLUMNS), 50, np.uint16),
        "theta": angles,
        "unit": "degrees",
        **replace,
    }
    unit = contents.pop("unit")
    with h5py.File(path, "w") as file:
        group = file.create_group("exchange")
        for name, value in contents.items():
            if name not in remove:
                group[name] = value
        if unit and "theta" in group:
            group["theta"].attrs["units"] = unit
        if "data" in group:
            group["data"].attrs["axes"] = "theta:y:x"
    return path


def disc_mask(size=COLUMNS, radius=RADIUS):
    """Voxels (size, size) well inside a disc at (DISC_Y, DISC_X)."""
    y, x = np.ogrid[:size, :size]
    middle = (size - 1) / 2
    return np.hypot(y - middle - DISC_Y, x - middle - DISC_X) < radius - 2
