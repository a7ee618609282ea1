"""A map of samples as a drawing: a dot for each, coloured by what is known of it, with its name where one looks closer."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..checking.faults import label_of
from ..data.source import Source
from ..errors import Unreadable
from ..forms import Sample
from .drawing import scale_of
from .grids import numbers
from .page import PALETTE, inline, said, short, svg, unit

SIDE, EDGE = 1000, 30  # units of the drawing, and its margin
TONES = 10  # groups with a colour of their own
THUMB, ACROSS = 48, 32  # pixels of a thumbnail; thumbnails side by side on their sheet
THUMBS = 1000  # at most
STYLE = """.map{margin:1rem 0;position:relative}.map svg{width:100%;max-width:56rem;touch-action:manipulation}
.map circle{fill-opacity:.75;stroke:none}.map circle:hover{stroke:var(--ink);stroke-width:3;fill-opacity:1}
.legend{display:flex;flex-wrap:wrap;gap:.1rem .9rem;list-style:none;padding:0;font-size:.85rem}
.legend i{display:inline-block;width:.8em;height:.8em;border-radius:50%;margin-right:.35em}
.k0{fill:#4e79a7;background:#4e79a7}.k1{fill:#f28e2b;background:#f28e2b}.k2{fill:#59a14f;background:#59a14f}
.k3{fill:#e15759;background:#e15759}.k4{fill:#b07aa1;background:#b07aa1}.k5{fill:#76b7b2;background:#76b7b2}
.k6{fill:#edc948;background:#edc948}.k7{fill:#9c755f;background:#9c755f}.k8{fill:#ff9da7;background:#ff9da7}
.k9{fill:#6b6ecf;background:#6b6ecf}.rest{fill:#9198a1;background:#9198a1}
#look{position:fixed;display:none;pointer-events:none;background:var(--panel);border:1px solid var(--line);border-radius:6px;
padding:.3rem .5rem;font-size:.85rem;max-width:16rem;z-index:9}
#look span{display:block;image-rendering:pixelated;margin:0 auto .2rem}"""
# a dot's name, and its thumbnail from the sheet, beside the pointer; without it, browsers show the dots' titles
SCRIPT = """const dots=document.querySelector('.map svg'),look=document.getElementById('look'),
sheet=document.getElementById('sheet'),at=JSON.parse(document.getElementById('thumbs').textContent);
function show(e){const c=e.target.closest('circle');if(!c){look.style.display='none';return}
const title=c.querySelector('title');if(title){c.dataset.t=title.textContent;title.remove()}
look.textContent='';const i=at[c.dataset.i];if(i!==undefined&&sheet){const s=document.createElement('span');
s.style.cssText='width:96px;height:96px;background:url('+sheet.src+') -'+96*(i%32)+'px -'+96*Math.floor(i/32)+'px/3072px auto';
look.append(s)}look.append(c.dataset.t);look.style.display='block';
look.style.left=Math.max(0,Math.min(e.clientX+14,innerWidth-look.offsetWidth-8))+'px';
look.style.top=Math.max(0,Math.min(e.clientY+14,innerHeight-look.offsetHeight-8))+'px'}
for(const what of ['pointermove','pointerdown','pointerleave'])dots.addEventListener(what,show);"""


@dataclass(frozen=True)
class Colours:
    """What dots are coloured by. css: [n], the class of each, or its colour. legend: (class or colour, words)."""

    css: Sequence[str]
    legend: Sequence[tuple[str, str]]


def by_label(source: Source, at: np.ndarray) -> Colours | None:
    """The commonest classes in colours of their own, quantities from dark to light; None where nothing is known."""
    if source.labels is None:
        return None
    values = source.labels[at]
    known = values >= 0 if source.classes else np.isfinite(values)
    if not known.any():
        return None
    if source.classes:
        return _groups(np.where(known, values, -1).astype(np.int64), source.classes)
    low, high = (float(v) for v in np.quantile(values[known], (0.02, 0.98)))
    tones = ["#" + bytes(PALETTE[int(255 * u)].tolist()).hex() for u in unit(values, low, high)]
    ends = [("#" + bytes(PALETTE[int(255 * u)].tolist()).hex(), short(low + u * (high - low))) for u in (0, 0.5, 1)]
    css = [tone if there else "rest" for tone, there in zip(tones, known, strict=True)]
    return Colours(css, [*ends, *([] if known.all() else [("rest", "unknown")])])


def by_group(groups: np.ndarray) -> Colours:
    """Groups that were found, which have no names."""
    return _groups(groups, [f"cluster {i + 1}" for i in range(int(groups.max(initial=0)) + 1)])


def _groups(values: np.ndarray, names: Sequence[str]) -> Colours:
    count = np.bincount(values[values >= 0], minlength=len(names))
    order = [i for i in np.argsort(-count, kind="stable").tolist() if count[i]]
    first = sorted(order[:TONES])
    tone = {group: f"k{place}" for place, group in enumerate(first)}
    rest = len(values) - int(count[first].sum())
    more = f"{len(order) - TONES:,} more classes, or unknown" if len(order) > TONES else "unknown"
    legend = [(tone[group], f"{names[group]} ({count[group]:,})") for group in first]
    return Colours(
        [tone.get(v, "rest") for v in values.tolist()], legend + [("rest", f"{more} ({rest:,})")] * (rest > 0)
    )


def scatter(places: np.ndarray, source: Source, at: np.ndarray, colours: Colours) -> str:
    """places: [n, 2] within -1 to 1. at: [n], which samples of the source they are."""
    radius = float(np.clip(160 / max(len(places), 1) ** 0.5, 3.5, 9))
    high = max(SIDE / 2, SIDE * float(np.ptp(places[:, 1])) / 2)  # no more ground than a flat map needs
    x = (SIDE / 2 - EDGE) * (1 + places[:, 0]) + EDGE
    y = high / 2 + EDGE - (SIDE / 2 - EDGE) * (places[:, 1] - (places[:, 1].max() + places[:, 1].min()) / 2)
    dots = []
    for i, (a, b, css) in enumerate(zip(x.tolist(), y.tolist(), colours.css, strict=True)):
        label = label_of(source, int(at[i]))
        words = said(source.name(int(at[i])) + (f" · {label}" if label != "no label" else ""))
        dots.append(
            f"<circle {_paint(css, 'fill')} data-i={i} cx={a:.0f} cy={b:.0f} r={radius:.1f}><title>{words}</title></circle>"
        )
    marks = "".join(f"<li><i {_paint(css, 'background')}></i>{said(words)}</li>" for css, words in colours.legend)
    drawn = svg(SIDE, high + 2 * EDGE, "".join(dots), f"a map of {len(places):,} samples")
    return f"<div class=map><ul class=legend>{marks}</ul>{drawn}</div>"


def _paint(css: str, what: str) -> str:
    """A class, or a colour of its own, as an attribute."""
    return f"style='{what}:{css}'" if css.startswith("#") else f"class={css}"


def lively(source: Source, at: np.ndarray) -> str:
    """What shows a dot's name, and of pictures a thumbnail, beside the pointer; goes after the map, once on a page."""
    some = np.unique(np.linspace(0, len(at) - 1, THUMBS).round().astype(int)).tolist() if source.kind == "image" else []
    thumbs = [(i, made) for i in some if (made := _thumb(source, int(at[i]))) is not None]
    numbered = json.dumps({i: place for place, (i, _) in enumerate(thumbs)})
    sheet = ""
    if thumbs:
        whole = np.zeros((-(-len(thumbs) // ACROSS) * THUMB, ACROSS * THUMB, 3), np.uint8)
        for place, (_, made) in enumerate(thumbs):
            top, left = place // ACROSS * THUMB, place % ACROSS * THUMB
            whole[top : top + THUMB, left : left + THUMB] = made
        out = io.BytesIO()
        Image.fromarray(whole).save(out, "JPEG", quality=80)
        sheet = inline(out.getvalue(), "thumbnails", "jpeg").replace("<img", "<img hidden id=sheet", 1)
    return f"<div id=look></div>{sheet}<script type=application/json id=thumbs>{numbered}</script><script>{SCRIPT}</script>"


def _thumb(source: Source, index: int) -> np.ndarray | None:
    """uint8 [THUMB, THUMB, 3], the picture whole on grey ground."""
    try:
        sample: Sample = source[index]
    except Unreadable:
        return None
    scale, x = scale_of("image", sample), numbers(sample, shares=True)
    x = np.repeat(x[:1], 3, 0) if len(x) < 3 else x[:3]
    pixels = np.rint(255 * unit(x, scale.low, scale.high)).astype(np.uint8).transpose(1, 2, 0)
    share = THUMB / max(pixels.shape[:2])
    high, wide = (max(1, round(n * share)) for n in pixels.shape[:2])
    small = Image.fromarray(pixels).resize(
        (wide, high), Image.Resampling.NEAREST if share > 1 else Image.Resampling.BOX
    )
    ground = Image.new("RGB", (THUMB, THUMB), (128, 128, 128))
    ground.paste(small, ((THUMB - wide) // 2, (THUMB - high) // 2))
    return np.asarray(ground)
