"""Demos: simulate known objects, reconstruct them, compare."""
