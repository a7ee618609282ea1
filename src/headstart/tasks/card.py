"""The model card of a fine-tuned encoder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import shown
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
    gives, chosen = "found.maps" if task.rows else "found.best, found.said", "the rate, the step and the temperature"
    if isinstance(task, Forecasting):
        gives, chosen = "found.said [n, horizon, channels], found.channels", "the rate and the step"
    lines += [f"found = tuned.predict(your_data)  # {gives}, found.names", "```", ""]
    lines += [f"On samples that were held back, which chose {chosen}, so that these figures flatter:"]
    lines += ["", *(f"- {said_of(name, figure)}" for name, figure in figures.items()), ""]
    if isinstance(task, Forecasting):
        naive = "the one before it" if task.period == 1 else f"that {task.period:,} before it"
        lines += [
            "Errors are in units of the spread of each channel in what was learnt from; MASE is relative to the error of saying "
            f"that a value is {naive}."
        ]
    else:
        lines += [
            "Judge it on others: `headstart predict " + str(folder) + " LABELLED` compares with labels of their own."
        ]
    lines += ["", "How it was tuned:", "", *(f"- {note}" for note in notes), ""]
    return "\n".join(map(shown, lines))
