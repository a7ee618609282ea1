"""The example of docs/methods.md is run as it stands."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "methods.md"


def test_the_worked_example_works():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 3
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    claim = names["check"]()
    assert claim.holds and claim.telling, [str(figure) for figure in claim.figures]
