"""What the files of a run's folder say, read once for the report and the card."""

from dataclasses import dataclass
from pathlib import Path

from ..damage import record, records
from ..forms import Json
from ..log import latest, rows
from ..scoring.results import Judged, Results, kept_results, summary


@dataclass(frozen=True)
class Story:
    """A run. facts: its run.json. worth, judged: what it is worth, and how that was judged, in words; "" without labels.

    steps, probes: rows of its log. seconds: what its steps took, where that was written down. bad: {"path", "reason"} of what was
    left out. seen: what its samples are like."""

    folder: Path
    facts: Json
    verdict: str
    results: Results
    read: str
    worth: str
    judged: str
    steps: list[Json]
    probes: list[Json]
    seconds: float | None
    bad: list[Json]
    seen: Json

    @property
    def plan(self) -> Json:
        """The plan."""
        plan: Json = self.facts["plan"]
        return plan

    @property
    def parts(self) -> list[str]:
        """The parts of paired data, which have an encoder each; [""] of one kind."""
        return list(self.plan["tokenizer"].get("parts", [""]))


def story(folder: Path, judged: Judged | None = None) -> Story:
    """From a run's folder. judged: what it is worth, where that is not written there yet."""
    if judged is None:
        kept = record(folder / "probe.json", "read")
        results, read = kept_results(folder / "probe.json"), str(kept["read"])
        worth, said = str(kept.get("worth", "")), str(kept.get("judged", ""))
    else:
        results, read = judged.results, judged.read
        worth, said = (summary(results), judged.said()) if results else ("", "")
    bad, _ = records(folder / "bad_files.jsonl", "path", "reason")
    facts, card = record(folder / "run.json", "plan"), folder / "encoder.json"
    took = [row["seconds"] for row in rows(folder / "log.jsonl", "took")]
    return Story(
        folder,
        facts,
        record(folder / "health.json", "verdict")["verdict"],
        results,
        read,
        worth,
        said,
        latest(folder / "log.jsonl", "step"),
        latest(folder / "log.jsonl", "probe"),
        sum(took) if took else None,
        bad,
        record(card).get("seen", {}) if card.exists() else {},
    )
