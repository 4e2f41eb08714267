"""Positions of source, detector and voxels; scans of other programs."""

from physrecon.geometry.exchange.astra import from_astra, to_astra
from physrecon.geometry.exchange.cil import from_cil, to_cil
from physrecon.geometry.exchange.leap import from_leap, to_leap
from physrecon.geometry.exchange.rtk import from_rtk, to_rtk
from physrecon.geometry.exchange.tigre import from_tigre, to_tigre

__all__ = [
    *("from_astra", "from_cil", "from_leap", "from_rtk", "from_tigre"),
    *("to_astra", "to_cil", "to_leap", "to_rtk", "to_tigre"),
]
