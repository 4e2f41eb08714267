"""Files in and out: measured scans, reconstructed volumes, images.

with open_scan("scan.h5") as scan: scan.projections[:, 0:32]
with VolumeWriter("volume.h5", …) as out: out.write(0, slab); out.finish()
with open_image("stack.tif") as image: image.read(image.frames[0])
with ImageWriter("out.tif", …) as out: out.write((), stack); out.finish()"""

from physrecon.store.describe import describe
from physrecon.store.frames import Frames
from physrecon.store.image_defects import Defects, defects
from physrecon.store.image_writer import ImageWriter, image_bytes, write_image
from physrecon.store.images import Image, image_kind, open_image
from physrecon.store.layout import stored_bytes
from physrecon.store.scan import Scan, open_scan
from physrecon.store.slabs import partial_slabs, slabs_done
from physrecon.store.volume import Volume, open_volume
from physrecon.store.writer import VolumeWriter

__all__ = [
    "Defects",
    "Frames",
    "Image",
    "ImageWriter",
    "Scan",
    "Volume",
    "VolumeWriter",
    "defects",
    "describe",
    "image_bytes",
    "image_kind",
    "open_image",
    "open_scan",
    "open_volume",
    "partial_slabs",
    "slabs_done",
    "stored_bytes",
    "write_image",
]
