"""Fashion-MNIST: 60,000 and 10,000 grey pictures of clothes, 28x28, in ten classes (Xiao et al. 2017)."""

from ..readers._idx import read_idx
from ..source import DataError, Source
from ..sources.array import ArraySource
from ._debian import unpacked

FILES = {"train": "train", "test": "t10k"}
CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def load(split: str = "train") -> Source:
    if split not in FILES:
        raise DataError(f"fashion-mnist has no split {split}: write fashion-mnist:train or fashion-mnist:test")
    folder = unpacked("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist")
    images = read_idx(folder / f"{FILES[split]}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{FILES[split]}-labels-idx1-ubyte.gz")
    return ArraySource(images, "image", labels, CLASSES, title=f"fashion-mnist:{split}")
