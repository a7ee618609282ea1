"""The two forms that nobody can say more exactly where they are passed on, by name."""

from typing import Any, TypeAlias

# What a reader gives and a tokenizer takes. Each kind has a form of its own (an array, a string, a dict of arrays), and which
# kind it is turns out only as data is read; so its tokenizer checks it, in `fitted`, and says there what comes out.
Sample: TypeAlias = Any

# A record of a card, a plan or a log: it was written as JSON, or will be.
Json: TypeAlias = dict[str, Any]
