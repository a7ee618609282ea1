"""`headstart recipes`: the methods there are, what each works on, and the card of each."""

from ..shelf.cards import card, grid, listing
from ..shelf.find import find


def recipes(name: str | None = None) -> str:
    """A line for every recipe, and the kinds of data that each works on; with a name, its card."""
    return card(find(name)) if name else "\n\n".join([listing(), grid(), "headstart recipes NAME shows one of them."])
