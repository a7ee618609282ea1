"""The section of a report that shows what `compare` found: what the run is worth by number of labels."""

import json

from ..comparing.chart import section
from ..comparing.told import read
from ..comparing.unfinished import UNFINISHED
from ..showing.page import said
from .looking import Section
from .story import Story


def compared_with(story: Story) -> list[Section]:
    """A section for each finished comparison in the run's folder; of one that cannot be read, why it is not there."""
    out: list[Section] = []
    for path in sorted(story.folder.glob("compare-*.json")):
        if path.name.endswith(UNFINISHED):
            continue
        try:
            html = section(read(json.loads(path.read_text())))
        except (KeyError, TypeError, ValueError, OSError):
            html = f"<p class=note>{said(path.name)} is damaged, or of another version of headstart: compare again.</p>"
        out.append((path.stem, f"By number of labels: {path.stem.partition('-')[2]}", html))
    return out
