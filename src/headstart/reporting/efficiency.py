"""The section of a report that shows what `compare` found: what the run is worth by number of labels."""

import json

from ..comparing.chart import section
from ..comparing.told import read
from .looking import Section
from .story import Story


def compared_with(story: Story) -> list[Section]:
    """A section for each comparison in the run's folder."""
    found = sorted(story.folder.glob("compare-*.json"))
    return [
        (path.stem, f"By number of labels: {path.stem.partition('-')[2]}", section(read(json.loads(path.read_text()))))
        for path in found
    ]
