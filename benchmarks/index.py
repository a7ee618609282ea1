"""A folder of a million files: how long the first and the second start take, and how much memory.

    python benchmarks/index.py [files] [folders]

Makes the (empty) files in a temporary folder, lists them in one fresh process, finds the list again in another, and removes
them. Counts of suffixes and labels of folders are what opening needs besides the list; `open` is all of open_source and its
description, after the list is kept.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEASURE = """
import json, resource, sys, time
tick = time.perf_counter()
from headstart.data.labels import folder_labels
from headstart.data.finding.index import index
loaded = time.perf_counter()
found = index(sys.argv[1])
listed = time.perf_counter()
counts = found.counts()
files = found.take(found.by_suffix(".png"))
labels, classes = folder_labels(files)[:2]
ready = time.perf_counter()
from headstart.data.readers import readers
readers()
read = time.perf_counter()
from headstart.data.open import open_source
source = open_source(sys.argv[1])
said = source.describe()
opened = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)
print(json.dumps([loaded - tick, listed - loaded, ready - listed, opened - read, peak, len(source), len(source.classes)]))
"""


def main() -> None:
    files, folders = (
        (int(x) for x in (*sys.argv[1:], "1000000", "1000")[:2]) if len(sys.argv) > 2 else (1_000_000, 1000)
    )
    with tempfile.TemporaryDirectory() as place:
        root, cache = Path(place) / "data", Path(place) / "cache"
        tick = time.perf_counter()
        for i in range(folders):
            here = root / f"class-{i:04d}"
            here.mkdir(parents=True)
            for j in range(files // folders):
                os.close(os.open(here / f"picture-{j:06d}.png", os.O_CREAT | os.O_WRONLY))
        print(f"made {files:,} files in {folders:,} folders in {time.perf_counter() - tick:.1f} s")
        time.sleep(2.5)  # a list of a folder that has only just changed is not kept
        print(f"{'start':8s} {'imports':>8s} {'list':>8s} {'counts, labels':>15s} {'open':>8s} {'peak':>9s}")
        for start in ("first", "second"):
            command = [sys.executable, "-c", MEASURE, str(root)]
            done = subprocess.run(
                command, env={**os.environ, "HEADSTART_CACHE": str(cache)}, capture_output=True, text=True, check=True
            )
            imports, listed, ready, opened, peak, n, classes = json.loads(done.stdout)
            if (n, classes) != (files // folders * folders, folders):
                raise SystemExit(f"{n} files in {classes} classes were found, not {files} in {folders}")
            print(f"{start:8s} {imports:6.2f} s {listed:6.2f} s {ready:13.2f} s {opened:6.2f} s {peak:5.0f} MiB")


if __name__ == "__main__":
    main()
