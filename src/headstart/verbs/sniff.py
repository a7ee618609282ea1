"""`headstart sniff`: what is at a path, and why we think so."""

from ..data.sniff import Found
from ..data.sniff import sniff as look
from ..log import Log


def sniff(where: object, log: Log | None = None) -> Found:
    """Say what kind of data is at `where`, how much, and where its labels may be; reads no more than a few samples."""
    found = look(where)
    (log or Log()).lines(found.lines())
    return found
