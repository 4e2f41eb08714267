"""Where source, detector and voxels are."""
