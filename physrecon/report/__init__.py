"""A finished run as one page."""
