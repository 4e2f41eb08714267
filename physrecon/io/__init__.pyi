"""Where the names of files come from: read by type checkers, and at run time."""

from .images.image import Image as Image, open_image as open_image
from .images.saturation import Defects as Defects, defects as defects
from .info import describe as describe
from .output.image_writer import (
    ImageWriter as ImageWriter,
    image_bytes as image_bytes,
    write_image as write_image,
)
from .output.pack import pack as pack
from .output.piece_folder import partial_slabs as partial_slabs, slabs_done as slabs_done
from .output.scan_file import convert_scan as convert_scan, write_scan as write_scan
from .output.volume_sink import VolumeWriter as VolumeWriter
from .scans.frames import Frames as Frames
from .scans.scan import NO_FLATS as NO_FLATS, Scan as Scan, open_scan as open_scan
from .volumes.layout import stored_bytes as stored_bytes
from .volumes.volume import Volume as Volume, open_volume as open_volume
