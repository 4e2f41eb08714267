"""Files in and out: measured scans, reconstructed volumes, images.

with open_scan("scan.h5") as scan: scan.projections[:, 0:32]
with VolumeWriter("volume.h5", …) as out: out.write(0, slab); out.finish()
with open_image("stack.tif") as image: image.read(image.frames[0])
with ImageWriter("out.tif", …) as out: out.write((), stack); out.finish()

Names load when they are first used, so that to read one format does not load the others."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
