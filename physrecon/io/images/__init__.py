"""Images: TIFF, PNG, JPEG, HDF5."""
