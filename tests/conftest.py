"""Before torch is imported: one thread. Tensors here are tiny, and a second core only makes them wait for each other."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
