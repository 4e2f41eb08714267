"""Positions of source, detector and voxels; scans of other programs."""

from physrecon.geometry.exchange import from_astra, to_astra

__all__ = ["from_astra", "to_astra"]
