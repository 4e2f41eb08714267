"""Blur by a PSF and its exact transpose."""
