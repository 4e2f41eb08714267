"""Where numbers live: machines, slices, vectors, arrays on the disk.

`from physrecon import arrays` gives what is done to one array; `arrays.vectors` does the same to
tuples of arrays."""

from physrecon.arrays.device import (
    CACHE_LINE,
    DEVICES,
    aligned_empty,
    all_finite,
    cupy,
    is_device,
    like,
    namespace,
    to_device,
    to_host,
    zeros_like,
)
from physrecon.arrays.slices import combine, distances, dots, partial_sums, sliced, step, total
