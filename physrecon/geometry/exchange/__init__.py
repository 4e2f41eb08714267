"""Geometries of other programs, one file each, without these programs."""
