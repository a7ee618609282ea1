"""The page of `headstart show`: what was found above, and below it samples spread over the source."""

from collections.abc import Iterator, Sequence

import numpy as np

from ..checking.faults import label_of
from ..data.feeding.loader import PairTokenizer
from ..data.source import Source
from ..errors import so_many
from ..tokens import Tokenizer
from .page import document, said, short, svg
from .sample import Shown, drawn, shown, views

SAMPLES = 20
BYTES = 4_500_000  # of the page, beyond which samples are named and no longer drawn
LEGEND = (
    "read: as the file says it. fitted: in the form of its tokenizer (size, rate, channels), which is cut into rows. Beside it "
    "what is said again from these rows, and two parts of it as methods with several views of a sample see them, augmented."
)
BAD, BARS = 20, 20  # files without samples, and classes, that are listed
STYLE = """body{max-width:84rem}h1{margin-bottom:0}section{border-top:1px solid var(--line);padding:1rem 0}h2,h3{margin:.2rem 0}
h4{margin:.6rem 0 0}
.four{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,13rem),1fr));gap:1rem}
figure{margin:0;min-width:0}figcaption{color:var(--soft);font-size:.85rem;margin-bottom:.3rem}
img.smooth{image-rendering:auto}
figure>img{width:100%;max-width:16rem;max-height:16rem;object-fit:contain;object-position:left top}
figure>img.stretched{max-width:none;height:8rem;object-fit:fill}
.strip{display:flex;flex-wrap:wrap;gap:4px}.strip>img{width:calc(33.3% - 4px);object-fit:contain;align-self:start}
.two>img{width:calc(50% - 4px)}.two{background:var(--panel);border-radius:6px}
svg{width:100%;display:block}svg line{stroke:var(--soft);stroke-width:.6}
svg g[class]{fill:none;stroke-width:1.5;stroke-linecap:round}svg g[class] path{vector-effect:non-scaling-stroke}
.s-blue{stroke:var(--blue)}.s-green{stroke:var(--green)}.s-red{stroke:var(--red)}.s-gold{stroke:var(--gold)}
.f-blue{fill:var(--blue)}.f-green{fill:var(--green)}.f-red{fill:var(--red)}.f-gold{fill:var(--gold)}
rect.gap{fill:var(--red);stroke:none;opacity:.25}
.page{position:relative;max-width:20rem}.page>img{position:absolute;width:100%;height:100%;opacity:.5}
.page>svg{position:relative;background:none;border:1px solid var(--line)}
.page rect{fill:var(--blue);fill-opacity:.12}.page text{fill:var(--ink)}
.paper svg{background:#fff}.scroll{overflow-x:auto}.scroll table{margin:.4rem 0;font-size:.8rem}
.scroll td,.scroll th{padding:.1rem .5rem;white-space:nowrap}
pre{font-size:.85rem;margin:0;max-height:18rem;overflow:auto}pre.wrap{white-space:pre-wrap}
.label{background:var(--panel);border:1px solid var(--line);border-radius:1rem;padding:0 .6rem;font-size:.85rem;
font-weight:400}
.wrong{color:var(--red)}.bars{max-width:40rem}.note{font-size:.85rem;margin:.3rem 0}"""


def page(
    title: str, lines: Sequence[str], source: Source, tokenizer: Tokenizer | PairTokenizer, said_of: Sequence[str]
) -> str:
    """The page. lines: what was found; said_of: what a sample becomes; both in words."""
    at = np.unique(np.linspace(0, len(source) - 1, SAMPLES).round().astype(int)).tolist()
    some = [shown(source, tokenizer, i) for i in at]
    head = [f"<h1>{said(title)}</h1><p class=note>{len(some)} of {len(source):,} samples, as headstart reads them</p>"]
    head.append(f"<h2>What was found</h2><pre class=wrap>{'<br>'.join(map(said, lines))}</pre>")
    head.append(f"<h2>What a sample becomes</h2><ul>{''.join(f'<li>{said(line)}</li>' for line in said_of)}</ul>")
    if source.bad:
        more = f"<li>and {len(source.bad) - BAD:,} more</li>" if len(source.bad) > BAD else ""
        listed = "".join(f"<li class=wrong>{said(error)}</li>" for error in source.bad[:BAD])
        head.append(f"<h2>Files without samples</h2><ul>{listed}{more}</ul>")
    head.append(labels(source))
    return document(
        title, [*head, f"<h2>Samples</h2><p class=note>{said(LEGEND)}</p>", *_sections(source, some, tokenizer)], STYLE
    )


def _sections(source: Source, some: Sequence[Shown], tokenizer: Tokenizer | PairTokenizer) -> Iterator[str]:
    """A section for each sample; beyond BYTES its name alone."""
    of = tokenizer.parts if isinstance(tokenizer, PairTokenizer) else {"": tokenizer}
    seen = {part: views(some, part, each) for part, each in of.items()}
    room = BYTES
    for one in some:
        label = "" if source.labels is None else f" <span class=label>{said(label_of(source, one.index))}</span>"
        parts = [f"<h3>{said(one.name)}{label}</h3>"]
        parts += [f"<p class=wrong>left out: {said(reason)}</p>" for reason in one.wrong]
        for part in one.parts:
            if room <= 0:
                parts.append("<p class=note>not drawn: the page is large enough</p>")
                break
            parts.append(f"<h4>{said(part)}</h4>" if part else "")
            parts.append(drawn(one, part, of[part], seen[part][one.index]))
        made = f"<section>{''.join(parts)}</section>"
        room -= len(made)
        yield made


def labels(source: Source) -> str:
    """Samples of each class, or how a quantity is spread, as bars; nothing where there are no labels."""
    if source.labels is None:
        return ""
    known = np.isfinite(source.labels) if not source.classes else source.labels >= 0
    values = source.labels[known]
    if not len(values):
        return ""
    if source.classes:
        every = np.bincount(values.astype(np.int64), minlength=len(source.classes))
        order = np.argsort(-every, kind="stable")
        bars = [(source.classes[i], int(every[i])) for i in order[:BARS]]
        more = len(order) - BARS
    else:
        every, edges = np.histogram(values, BARS)
        bars = [(f"{short(a)} to {short(b)}", int(n)) for a, b, n in zip(edges, edges[1:], every, strict=False)]
        more = 0
    most = max(n for _, n in bars)
    rows = "".join(
        f"<text x=0 y={16 * i + 12} font-size=11>{said(name[:24])}</text><rect class=f-blue x=150 y={16 * i + 3} "
        f"width={200 * n / most:.1f} height=10 /><text x={154 + 200 * n / most:.1f} y={16 * i + 12} font-size=11>{n:,}</text>"
        for i, (name, n) in enumerate(bars)
    )
    rest = (
        [f"{so_many(len(source.labels) - len(values), 'sample')} without a label"]
        if len(values) < len(source.labels)
        else []
    )
    rest += [f"{more:,} more classes"] if more > 0 else []
    note = f"<p class=note>{said('; '.join(rest))}</p>" if rest else ""
    return f"<h2>Labels</h2><div class=bars>{svg(420, 16 * len(bars) + 4, rows, 'samples by label')}</div>{note}"
