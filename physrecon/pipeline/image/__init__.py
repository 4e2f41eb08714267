"""Jobs that deconvolve an image."""
