"""The geometry of a scan and the volume together, from the projections alone."""
