"""A page in one file: no network, no script, light and dark, pictures inside."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from PIL import Image

from ..errors import shown
from ..outputs import PAGE

STYLE = """:root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--line:#d8dee4;--back:#fff;--panel:#f6f8fa;--blue:#0969da;
--red:#cf222e;--green:#1a7f37;--gold:#9a6700}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--line:#3d444d;--back:#0d1117;--panel:#151b23;
--blue:#4493f8;--red:#f85149;--green:#3fb950;--gold:#d29922}}
*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;
color:var(--ink);background:var(--back);overflow-wrap:anywhere}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.3rem .9rem;border-bottom:1px solid var(--line);text-align:right}
td:first-child,th:first-child{text-align:left}.best{font-weight:600}svg{background:var(--panel);border-radius:6px;max-width:100%}
svg text{fill:var(--soft)}svg polyline{fill:none;stroke:var(--blue);stroke-width:1.5}
img{image-rendering:pixelated;max-width:100%}pre{background:var(--panel);padding:.6rem;border-radius:6px;overflow-x:auto}
.note{color:var(--soft)}"""
SMOOTH = 96  # pixels along the longer side from which on a picture is scaled smoothly
JPEG = 88  # quality: the form of what is smooth and in colour
COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))  # dark is low, as in viridis


def document(title: str, parts: Iterable[str], style: str = "") -> str:
    """The page. parts: HTML; title: text."""
    head = f"<meta charset=utf-8>{PAGE}<meta name=viewport content='width=device-width'><title>{said(title)}</title>"
    return f"<!doctype html><html lang=en>{head}<style>{STYLE}{style}</style>{''.join(parts)}</html>"


def said(text: object) -> str:
    """Any text as HTML, in one line, whatever characters it holds."""
    return escape(shown(str(text)))


def said_lines(text: str) -> str:
    """Likewise, its lines and tabs kept."""
    return escape(shown(text, keep="\n\t"))


def inline(content: bytes, alt: str, form: str = "png", css: str = "") -> str:
    """A picture's file inside the page."""
    data = base64.b64encode(content).decode()
    return f"<img{f' class={css}' if css else ''} alt='{said(alt)}' src='data:image/{form};base64,{data}'>"


def picture(pixels: np.ndarray, alt: str) -> str:
    """uint8 [H, W] grey, [H, W, 3] colour or [H, W, 4] with what is missing transparent, as it is: make it small before."""
    smooth, channels = max(pixels.shape[:2]) >= SMOOTH, pixels.shape[2] if pixels.ndim == 3 else 1
    form = "jpeg" if smooth and channels == 3 else "png"
    made = _few_colours(pixels) if smooth and channels == 4 else Image.fromarray(pixels)
    return inline(_encoded(made, form), alt, form, "smooth" if smooth else "")


def _few_colours(pixels: np.ndarray) -> Image.Image:
    """[H, W, 4] in 255 colours and one that is transparent: a third of the bytes."""
    small = Image.fromarray(np.ascontiguousarray(pixels[..., :3])).quantize(255, dither=Image.Dither.NONE)
    numbers = np.where(pixels[..., 3] > 0, np.asarray(small), 255).astype(np.uint8)
    made = Image.fromarray(numbers)
    known = (small.getpalette() or [])[: 3 * 255]
    made.putpalette(
        known + [0] * (3 * 256 - len(known))
    )  # all 256, or writers of PNG count fewer, and none is transparent
    made.info["transparency"] = 255
    return made


def heat(values: np.ndarray, low: float, high: float, alt: str, stretched: bool = False) -> str:
    """[H, W] numbers in colours from dark (low) to light (high); stretched: to the width of its place, whatever its sides."""
    image = Image.fromarray(np.rint(255 * unit(values, low, high)).astype(np.uint8))
    image.putpalette(PALETTE.ravel().tolist())
    return inline(_encoded(image, "png"), alt, "png", "stretched" if stretched else "")


def unit(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Numbers as 0..1 between these ends; NaN as 0."""
    return np.nan_to_num(np.clip((values.astype(np.float64) - low) / max(high - low, 1e-12), 0, 1))


def _encoded(image: Image.Image, form: str) -> bytes:
    """A picture as a file of this form."""
    out = io.BytesIO()
    if form == "png":
        image.save(out, "PNG")
    else:
        image.save(out, "JPEG", quality=JPEG)
    return out.getvalue()


def svg(width: float, height: float, body: str, alt: str) -> str:
    """A drawing in these units, as wide as its place."""
    return f"<svg viewBox='0 0 {width:g} {height:g}' role=img aria-label='{said(alt)}'>{body}</svg>"


def table(rows: Sequence[Sequence[str]], header: Sequence[str] = ()) -> str:
    """Cells of HTML; what is too wide scrolls."""
    top = f"<tr>{''.join(f'<th>{cell}</th>' for cell in header)}</tr>" if header else ""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class=scroll><table>{top}{body}</table></div>"


def short(value: object) -> str:
    """A number in a few digits, anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return str(value)
    if isinstance(value, int | np.integer) and abs(int(value)) < 10**9:
        return f"{int(value):,}"
    return f"{float(value):.4g}"


def _palette() -> np.ndarray:
    """[256, 3] uint8."""
    at, ends = np.linspace(0, len(COLOURS) - 1, 256), np.array(COLOURS)
    return np.stack([np.interp(at, np.arange(len(COLOURS)), ends[:, i]) for i in range(3)], 1).astype(np.uint8)


PALETTE = _palette()
