"""Files in and out: measured scans, reconstructed volumes.

with open_scan("scan.h5") as scan: scan.projections[:, 0:32]
with VolumeWriter("volume.h5", …) as out: out.write(0, slab); out.finish()"""

from physrecon.store.describe import describe
from physrecon.store.frames import Frames
from physrecon.store.layout import stored_bytes
from physrecon.store.scan import Scan, open_scan
from physrecon.store.slabs import partial_slabs, slabs_done
from physrecon.store.volume import Volume, open_volume
from physrecon.store.writer import VolumeWriter

__all__ = [
    "Frames",
    "Scan",
    "Volume",
    "VolumeWriter",
    "describe",
    "open_scan",
    "open_volume",
    "partial_slabs",
    "slabs_done",
    "stored_bytes",
]
