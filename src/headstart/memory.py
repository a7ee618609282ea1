"""Memory that a step frees is kept for the next one."""

import ctypes
import sys
from functools import cache

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # glibc's malloc.h


@cache
def keep_freed() -> None:
    """Ask the C library not to give freed memory back to the system: the next step would fault every page in again.

    On virtual machines, where page faults are dear, this makes a step on the CPU 1.3 to 1.5 times as fast (docs/log.md).
    Holds for the whole process; does nothing where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(TRIM_THRESHOLD, 2**31 - 1)
        mallopt(TOP_PAD, 2**28)
        mallopt(MMAP_THRESHOLD, 2**25)  # the most that glibc takes
