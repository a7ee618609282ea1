"""An encoder's folder for tests of what is done with vectors: untrained, made in a moment, and small pictures."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from headstart.checkpoint import save_encoder
from headstart.data.open import open_source
from headstart.nn.encoder import Encoder, Model
from headstart.reading import look
from headstart.recipe import Input


def encoder_of(where: object, folder: Path) -> Path:
    """The folder of a random encoder that fits these samples."""
    torch.manual_seed(0)
    tokenizer = look(open_source(where), Input(patch=2), torch.device("cpu"))[1]
    encoder = Encoder({"x": tokenizer}, Model(width=16, depth=1, heads=2))
    save_encoder(folder, encoder, {"read": "mean_std", "width": 32, "input": {}})
    return folder


def pictures(folder: Path, count: int = 40, side: int = 8, copies: int = 0, odd: int = 0) -> Path:
    """Grey ramps that lie or stand, as PNG in a folder for each class. copies: of the first, under other names. odd: noise."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(40, 200, side)
    made: list[tuple[str, np.ndarray]] = []
    for i in range(count):
        one = np.tile(ramp * rng.uniform(0.6, 1.2), (side, 1)) + rng.normal(0, 4, (side, side))
        made.append((f"{('lying', 'standing')[i % 2]}/{i:02d}", one if i % 2 else one.T))
    made += [(f"{name}-copy", picture) for name, picture in made[:copies]]
    made += [(f"lying/odd{i}", rng.choice([0.0, 255.0], (side, side))) for i in range(odd)]
    for name, picture in made:
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path)
    return folder
