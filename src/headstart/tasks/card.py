"""The model card of a fine-tuned encoder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..probes import Figure
from .forecasting import Forecasting
from .judging import said_of
from .task import Task


def readme(folder: Path, base: str, found: str, task: Task, figures: Mapping[str, Figure], notes: Sequence[str]) -> str:
    """In Markdown. base: the folder of the pre-trained encoder. found: what it was tuned to. notes: what was settled."""
    said = [f"`{c}`" for c in task.classes[:20]]
    more = f" and {len(task.classes) - len(said)} more" if len(task.classes) > len(said) else ""
    what = (
        f"{task.name} of {len(task.classes)} classes ({', '.join(said)}{more})"
        if said
        else f"{task.quantity} ({task.name})"
    )
    lines = [f"# {folder.name}", "", f"The encoder of `{base}`, fine-tuned by headstart to {found}: {what}.", ""]
    lines += ["```python", "import headstart as hs", f"tuned = hs.load({str(folder)!r})"]
    foretells = isinstance(task, Forecasting)
    said_as = "found.said [n, horizon, channels], found.channels" if foretells else "found.best, found.said"
    lines += [f"found = tuned.predict(your_data)  # {said_as}, found.names", "```", ""]
    lines += [
        "On samples that were held back, which chose the rate, the step and the temperature, so that these figures flatter:"
    ]
    lines += ["", *(f"- {said_of(name, figure)}" for name, figure in figures.items()), ""]
    if foretells:
        lines += [
            "Errors are in units of the spread of each channel; MASE is relative to the naive forecast of the next value."
        ]
    else:
        lines += [
            "Judge it on others: `headstart predict " + str(folder) + " LABELLED` compares with labels of their own."
        ]
    return "\n".join([*lines, "", "How it was tuned:", "", *(f"- {note}" for note in notes), ""])
