"""Is anything said to be wrong where all is well? `python benchmarks/signs.py [steps] [recipe ...]`.

Every recipe, with its settings at small scale, learns from a little data of two kinds that it works on; what is said to
be wrong (headstart/signs.py) is printed beside the numbers that decide it. The last column is to be empty.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from headstart.contract import SIZE, base
from headstart.health import Health
from headstart.log import Log
from headstart.planning.sorting import sort_words
from headstart.recipe import Run, make
from headstart.running import paired
from headstart.running.doctor import Moved, course_of, looking
from headstart.running.healing import mended
from headstart.scoring.score import watcher
from headstart.shelf.find import find, names, small
from headstart.shelf.measured import matrix
from headstart.tiny import EVERY, tiny_data
from headstart.words import arguments, changed

LIGHT = {"codes": 32, "local": 1, "queue": 24, "width": 16, "depth": 1, "row_codes": 16, "rank": 4}
ORDER = ("image", "series", "text", "graph", "points", "audio", "table", "protein", "molecule")


def row(name: str, kind: str, steps: int, folder: Path) -> str:
    """A line of the table."""
    method, data = find(name), tiny_data(kind, n=24, batch=8)
    words = sort_words(small(method) or {}, method)
    given = {**words[""], **{word: value for word, value in LIGHT.items() if word in arguments(method)}}
    given |= {"base": base(data, SIZE, folder)} if "base" in arguments(method) else {}
    torch.manual_seed(0)
    made = make(method, data, size=SIZE, **given)
    made = replace(made, steps=steps, optim=changed(made.optim, words["optim"], "optim"))
    log, noted = Log(folder / "log.jsonl", quiet=True), list[Health]()
    if len(data.tokenizers) > 1:
        watch = paired.watcher(made.objective, made.data, np.zeros(0, int), noted.append)
    else:
        watch = watcher(made.objective.encoder, made.data.only, made.data.source, None, "mean", noted.append)
    watch = looking(watch, Moved(made.objective), noted, log)
    mended(made, lambda: made, Run(device="cpu"), "advise", folder, log, watch, course_of(made, None))
    losses, looks = [each["loss"] for each in log.latest("step")], log.latest("look")
    first, last = looks[0], looks[-1]
    went = f"{losses[0]:.3g} -> {losses[-1]:.3g} | {last['moved']:.2g} | {first['rank']:.1f} -> {last['rank']:.1f}"
    said = ", ".join(each["name"] for each in log.rows("sign"))
    return f"| {name} | {kind} | {went} | {first['spread']:.3f} -> {last['spread']:.3f} | {said} |"


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 80
    print("| recipe | kind | loss | weights moved | rank | spread | wrong |\n|---|---|---|---|---|---|---|")
    for name in sys.argv[2:] or names():
        known = matrix()[name]
        works = [k for k in (*ORDER, *EVERY) if not known["kinds"][k] and k not in known["meaningless"]]
        for kind in list(dict.fromkeys(works))[:2]:
            with tempfile.TemporaryDirectory() as folder:
                print(row(name, kind, steps, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
