"""The model card: README.md beside the weights."""

from ..errors import shown
from ..scoring.results import cell, chances, columns
from .story import Story


def card(story: Story) -> str:
    """What the encoder is, how it is loaded, and what it is worth, in Markdown."""
    plan, results = story.plan, story.results
    left_out = f" ({len(story.bad)} unreadable files left out)" if story.bad else ""
    lines = [f"# {story.folder.name}", ""]
    lines += [
        f"An encoder pre-trained by headstart with the recipe `{plan['recipe']}` on {plan['found']}{left_out}.",
        "",
    ]
    worth = [f"**Worth**: {story.worth}. {story.judged}.", ""] if results else []
    lines += [*worth, f"**Health**: {story.verdict}.", "", "```python", "import headstart as hs"]
    lines += [f"encoder = hs.load({str(story.folder / story.parts[0])!r})", "z = encoder.embed(your_data)", "```", ""]
    if results:
        names = columns(results)
        lines += ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        lines += [f"| {row} | " + " | ".join(cell(marks, n) for n in names) + " |" for row, marks in results.items()]
        chance = ", ".join(f"{name} {value}" for name, value in chances(results).items())
        lines += ["", f"By chance: {chance or 'unknown'}."]
    else:
        lines.append("No labels were at hand, so nothing is known about its worth beyond its health.")
    lines += ["", "Trained with:", "", *(f"- {reason}" for reason in plan["why"]), ""]
    return "\n".join(map(shown, lines))
