"""Reconstructed volumes."""
