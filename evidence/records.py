"""The papers this project answers to, 264 of them, as `records.json` lists them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from headstart.errors import Mistake

from . import ledger

KEYS = ("slug", "id", "title", "role", "modality")


@dataclass(frozen=True)
class Record:
    """A paper. family: the file that its full record stands in."""

    slug: str
    id: int
    title: str
    family: str
    role: tuple[str, ...]
    modality: tuple[str, ...]


def records() -> list[Record]:
    """All of them, by slug."""
    listed = json.loads((ledger.HOME / "records.json").read_text(encoding="utf-8"))
    return [Record(**r | {"role": tuple(r["role"]), "modality": tuple(r["modality"])}) for r in listed]


def index(folder: str) -> int:
    """Rebuild `records.json` from a folder of YAML records; how many there are."""
    try:
        import yaml
    except ImportError:
        raise Mistake("the records are YAML, and this Python has no PyYAML: pip install pyyaml") from None
    paths = sorted(Path(folder).glob("*.yaml"))
    if not paths:
        raise Mistake(f"{folder} holds no *.yaml: give the folder of the records")
    found: dict[str, Record] = {}
    for path in paths:
        for number, entry in enumerate(yaml.safe_load(path.read_text(encoding="utf-8"))):
            missing = [key for key in KEYS if key not in entry]
            if missing:
                raise Mistake(f"record {number} of {path.name} lacks {', '.join(missing)}")
            if entry["slug"] in found:
                raise Mistake(f"the slug {entry['slug']} is there twice, the second time in {path.name}")
            found[entry["slug"]] = Record(**{key: entry[key] for key in KEYS}, family=path.stem)
    lines = ",\n".join(json.dumps(asdict(found[slug]), ensure_ascii=False) for slug in sorted(found))
    ledger.put(ledger.HOME / "records.json", f"[\n{lines}\n]\n")
    return len(found)
