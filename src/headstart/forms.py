"""The forms that pass through the whole package and that nobody can say more exactly on the way, by name."""

import datetime
from typing import Any, TypeAlias

# What a reader gives and a tokenizer takes. Each kind has a form of its own (an array, a string, a dict of arrays), and which
# kind it is turns out only as data is read; so its tokenizer checks it, in `fitted`, and says there what comes out.
Sample: TypeAlias = Any

# What stands in a cell of a table.
Cell: TypeAlias = float | int | bool | str | datetime.date | None

# A record of a card, a plan or a log: it was written as JSON, or will be.
Json: TypeAlias = dict[str, Any]
