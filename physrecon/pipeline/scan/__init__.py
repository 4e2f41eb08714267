"""Jobs that reconstruct a scan."""
