"""Where the names of jobs come from: read by type checkers, and at run time."""

from .image_job import ImageJob as ImageJob
from .model import Job as Job
from .read import read_job as read_job
from .scan_job import SUPPLIED as SUPPLIED, ScanJob as ScanJob
