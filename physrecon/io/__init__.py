"""Files in and out: measured scans, reconstructed volumes, images.

with open_scan("scan.h5") as scan: scan.projections[:, 0:32]
with VolumeWriter("volume.h5", …) as out: out.write(0, slab); out.finish()
with open_image("stack.tif") as image: image.read(image.frames[0])
with ImageWriter("out.tif", …) as out: out.write((), stack); out.finish()"""

from physrecon.io.describe import describe
from physrecon.io.images.image import Image, open_image
from physrecon.io.images.saturation import Defects, defects
from physrecon.io.output.image_writer import ImageWriter, image_bytes, write_image
from physrecon.io.output.pack import pack
from physrecon.io.output.piece_folder import partial_slabs, slabs_done
from physrecon.io.output.scan_file import convert_scan, write_scan
from physrecon.io.output.volume_sink import VolumeWriter
from physrecon.io.scans.frames import Frames
from physrecon.io.scans.scan import NO_FLATS, Scan, open_scan
from physrecon.io.volumes.layout import stored_bytes
from physrecon.io.volumes.volume import Volume, open_volume
