"""Measured scans."""
