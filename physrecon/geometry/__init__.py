"""Positions of source, detector and voxels."""
