"""Molecules and graphs, drawn."""

import importlib
import re

import numpy as np

from ..forms import Sample
from .grids import Range
from .page import PALETTE, said, svg, unit

NODES, EDGES = 150, 600  # that are drawn
ROUNDS = 60
SIDE = 300
USUAL = "fill-rule:evenodd;|stroke-linecap:butt;|stroke-linejoin:miter;|stroke-opacity:1"  # what SVG takes unasked


def molecule(sample: Sample, scale: Range, alt: str) -> str:
    """A structural formula by RDKit, and the SMILES; that alone where RDKit can draw none. A part that cuts an aromatic ring is
    drawn as it stands."""
    text = f"<p><code>{said(sample)}</code></p>"
    try:
        chem = importlib.import_module("rdkit.Chem")
        draw = importlib.import_module("rdkit.Chem.Draw.rdMolDraw2D")
    except ImportError as error:
        return f"{text}<p class=note>no formula is drawn: {said(error)}</p>"
    with importlib.import_module("rdkit.rdBase").BlockLogs():
        made = chem.MolFromSmiles(sample)
        whole = made is not None
        if not whole and (made := chem.MolFromSmiles(sample, sanitize=False)) is None:
            return f"{text}<p class=note>no formula is drawn: this is no SMILES</p>"
        made.UpdatePropertyCache(strict=False)
        drawer = draw.MolDraw2DSVG(SIDE, SIDE * 2 // 3)
        drawer.drawOptions().clearBackground = False
        drawer.DrawMolecule(draw.PrepareMolForDrawing(made, kekulize=whole))
    drawer.FinishDrawing()
    inner = re.sub(r"<\?xml.*?\?>|<!--.*?-->|</?svg.*?>", "", drawer.GetDrawingText(), flags=re.DOTALL)
    inner = re.sub(rf" class='[^']*'|\s*\n|{USUAL}", "", inner)
    paper = svg(SIDE, SIDE * 2 // 3, inner, f"{alt}, structural formula")
    return f"<div class=paper>{paper}</div>{text}"


def graph(sample: Sample, scale: Range, alt: str) -> str:
    """Nodes in the colour of their first number, those that edges join near each other."""
    nodes = np.asarray(sample["nodes"], np.float64)
    nodes = nodes[:, None] if nodes.ndim == 1 else nodes
    edges = np.asarray(sample["edges"], np.int64).reshape(-1, 2)
    kept = _around(len(nodes), edges)
    number = np.full(len(nodes), -1)
    number[kept] = np.arange(len(kept))
    inner = number[edges]
    inner = np.unique(inner[(inner >= 0).all(1) & (inner[:, 0] != inner[:, 1])], axis=0)
    place = 12 + _layout(len(kept), inner) * (SIDE - 24)
    first = nodes[kept, 0]
    colour = PALETTE[np.rint(255 * unit(first, float(np.nanmin(first)), float(np.nanmax(first)))).astype(int)]
    lines = "".join(
        f"<line x1={place[a, 0]:.0f} y1={place[a, 1]:.0f} x2={place[b, 0]:.0f} y2={place[b, 1]:.0f} />"
        for a, b in inner[:EDGES].tolist()
    )
    dots = "".join(
        f"<circle cx={x:.0f} cy={y:.0f} r={5 if len(kept) < 60 else 3} fill='#{r:02x}{g:02x}{b:02x}' />"
        for (x, y), (r, g, b) in zip(place.tolist(), colour.tolist(), strict=True)
    )
    note = (
        ""
        if len(kept) == len(nodes)
        else f"<p class=note>{len(kept):,} of {len(nodes):,} nodes, around the best joined</p>"
    )
    return svg(SIDE, SIDE, lines + dots, f"{alt}, {len(nodes)} nodes and {len(edges)} edges") + note


def _around(n: int, edges: np.ndarray) -> np.ndarray:
    """At most NODES nodes: those nearest to the one with most edges, in the order of their numbers."""
    if n <= NODES:
        return np.arange(n)
    degree = np.bincount(edges.ravel(), minlength=n)
    far = np.full(n, n)
    far[int(degree.argmax())] = 0
    while True:
        nearer = far.copy()
        np.minimum.at(nearer, edges[:, 0], far[edges[:, 1]] + 1)
        np.minimum.at(nearer, edges[:, 1], far[edges[:, 0]] + 1)
        if (nearer == far).all():
            return np.sort(far.argsort(kind="stable")[:NODES])
        far = nearer


def _layout(n: int, edges: np.ndarray) -> np.ndarray:
    """[n, 2] in 0..1 by forces: all nodes push each other away, edges pull (Fruchterman & Reingold 1991). The same each time."""
    turn = 2.399963 * np.arange(n)
    x = np.sqrt((np.arange(n) + 0.5) / n)[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
    ideal = 1.5 / np.sqrt(n)
    for step in range(ROUNDS):
        away = x[:, None] - x[None]
        far = np.maximum(np.linalg.norm(away, axis=2), 1e-3)
        move = (away * (ideal**2 / far**2)[..., None]).sum(1) - 0.1 * x
        if len(edges):
            along = x[edges[:, 0]] - x[edges[:, 1]]
            pull = along * (np.linalg.norm(along, axis=1) / ideal)[:, None]
            np.add.at(move, edges[:, 0], -pull)
            np.add.at(move, edges[:, 1], pull)
        length = np.maximum(np.linalg.norm(move, axis=1, keepdims=True), 1e-9)
        x = x + move / length * np.minimum(length, 0.2 * (1 - step / ROUNDS))
    low, span = x.min(0), float(np.ptp(x, axis=0).max())
    return (x - low) / max(span, 1e-9) + (1 - np.ptp(x, axis=0) / max(span, 1e-9)) / 2
