"""`headstart show`: samples as they are read, as their rows say them, and as views make them, on one page to look at."""

import dataclasses
from pathlib import Path

from ..data.groups import AUTO
from ..data.open import open_source
from ..data.sniff import sniff
from ..errors import shown
from ..log import Log
from ..reading import look
from ..recipe import Input, Run
from ..showing.pages import page
from ..training import device_of
from ..words import annotations, changed, parse, unknown
from ..writing import try_place, write_text


def show(where: object, /, *words: str, out: str | Path = "show.html", log: Log | None = None, **named: object) -> Path:
    """Write the page and say where it lies. Words: `out=`, and those of `data.`, which mean what they mean to `plan`."""
    log = log or Log()
    asked = parse(words, named, annotations(data=Input) | {"out": str})
    out = Path(str(asked.pop("out", out)))
    known = list(annotations(data=Input))
    for name in asked:
        if name not in known:
            raise unknown(name, ["out", *known])
    given = changed(Input(), {name[5:]: value for name, value in asked.items()}, "data")
    try_place(out)
    source = open_source(where, given.kind, given.label, given.group)
    title = str(where) if isinstance(where, str | Path) else type(where).__name__
    found = sniff(where if (given.kind, given.label, given.group) == (None, None, AUTO) else source)
    lines = dataclasses.replace(found, path=title).lines()
    log.say("\n".join(lines))
    source, tokenizer, given, becomes = look(source, given, device_of(Run()), log.progress("measuring"))
    write_text(out, page(title, lines, source, tokenizer, becomes))
    log.say(f"wrote     {shown(str(out))}, {out.stat().st_size / 2**20:.1f} MiB: open it in a browser")
    return out
