"""The report: one page about a run, in one file, from what it left in its folder and from its data."""

from pathlib import Path

import numpy as np

from ..checkpoint import write_text
from ..comparing.chart import STYLE as CHART
from ..data.source import Source
from ..picture import restored as pictures
from ..picture import sheet
from ..recipe import Recipe
from ..scoring.results import Judged
from ..showing.figures import NEAR
from ..showing.page import document, said
from ..showing.pages import STYLE as DRAWN
from ..showing.scatter import STYLE as MAP
from . import charts
from .card import card
from .efficiency import compared_with
from .looking import compared, restored, seen
from .story import Story, story
from .tried import tried
from .worth import bad, cost, went, worth

STYLE = """body{max-width:62rem}nav{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:1rem 0;font-size:.9rem}
nav a{color:var(--blue);text-decoration:none}section{border-top:0;padding:.4rem 0}
h2{margin-top:2.2rem;border-bottom:1px solid var(--line)}.note{margin:.5rem 0}
.three{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,14rem),1fr));gap:.8rem;margin:1rem 0}
mark{background:#2da44e55;color:inherit;border-radius:2px}mark.miss{background:#cf222e44}
figure.text{margin:1rem 0}details summary{cursor:pointer}pre{max-height:none}.scroll table{font-size:.9rem}
.verdict{font-size:1.1rem}
.map svg{max-width:42rem}"""


def write_report(folder: Path, recipe: Recipe, source: Source, judged: Judged, usage: str) -> None:
    """`report.html`, `README.md` and, where rows of pictures are restored, `restored.png` in a run's folder.

    recipe: trained. source: the samples that were learnt from. usage: Python that loads what the run left behind.
    """
    if len(recipe.data.tokenizers) == 1 and recipe.data.views is None:
        at = np.unique(np.linspace(0, len(source) - 1, 10).astype(int))
        triples = pictures(recipe.objective, recipe.data, at)
        if triples:
            sheet(triples, folder / "restored.png")
    told = story(folder, judged)
    write_text(folder / "report.html", page(told, recipe, source, usage))
    write_text(folder / "README.md", card(told))


def page(told: Story, recipe: Recipe | None, source: Source | None, usage: str, left_out: str = "") -> str:
    """The page, its pictures inside. recipe, source: None where the data is not at hand; left_out: why, in a sentence."""
    sections = [
        worth(told),
        *compared_with(told),
        *tried(told),
        went(told),
        seen(told, recipe, source),
        restored(told, recipe, source),
    ]
    sections += [*compared(told, recipe, source), cost(told), bad(told), ("load", "How to load it", _usage(usage))]
    sections = [each for each in sections if each[2]]
    head = f"<h1>{said(told.folder.name)}</h1><p>{said(told.plan['found'])}</p>"
    head += f"<p class=verdict><b>{said(told.verdict)}</b></p>"
    head += f"<p class=wrong>{said(left_out)}</p>" if left_out else ""
    links = "".join(f"<a href='#{name}'>{said(title)}</a>" for name, title, _ in sections)
    body = [f"<h2 id={name}>{said(title)}</h2>{html}" for name, title, html in sections]
    style = DRAWN + NEAR + MAP + charts.STYLE + STYLE + CHART
    return document(told.folder.name, [head, f"<nav>{links}</nav>", *body], style)


def _usage(usage: str) -> str:
    return f"<pre>{'<br>'.join(map(said, usage.splitlines()))}</pre>"
