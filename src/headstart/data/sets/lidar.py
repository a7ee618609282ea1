"""Simulated sweeps of a laser scanner on a car: what 32 beams turning once hit among houses, cars, poles and trees.

Not measured: rays are cast into made-up scenes of a ground plane, boxes and upright cylinders, with 2 cm of noise, and one
return in twenty lost. 400 sweeps of about 5,000 to 10,000 points [n, 4] float32: x, y, z in metres from the scanner, which is 1.8
m above the ground, z up, and a reflectance in 0..1. Labels: `lidar` has how many cars there are, 0 to 7 (a linear probe of
occupancy gets 23 % right); `lidar:scenes` the kind of scene (street, crossing, car park, park: 99 %). Sweep `i` depends on
`i` alone.
"""

import numpy as np
from jaxtyping import Float

from ..source import DataError, Source
from ..sources.listed import ListSource

SCENES = ("street", "crossing", "car park", "park")
SWEEPS, MOST_CARS = 400, 7
BEAMS, STEPS = 32, 360
REACH, HEIGHT = 60.0, 1.8  # metres
ALBEDO = {"ground": 0.2, "house": 0.5, "car": 0.8, "pole": 0.6}


class _Sweeps:
    """Sweeps made when asked for; one takes about 10 ms."""

    def __len__(self) -> int:
        return SWEEPS

    def __getitem__(self, index: int) -> np.ndarray:
        if not -SWEEPS <= index < SWEEPS:
            raise IndexError(index)
        return sweep(index % SWEEPS)


def load(split: str = "cars") -> Source:
    if split not in ("scenes", "cars"):
        raise DataError(f"lidar has no split {split}: write lidar, or lidar:scenes for the kind of scene as the label")
    kinds = [scene_of(i) for i in range(SWEEPS)]
    labels = np.array([kind if split == "scenes" else cars for kind, cars in kinds])
    classes = SCENES if split == "scenes" else tuple(map(str, range(MOST_CARS + 1)))
    return ListSource(_Sweeps(), "points", labels, classes, title="lidar")


def scene_of(index: int) -> tuple[int, int]:
    """Which kind of scene sweep `index` shows, and how many cars."""
    rng = np.random.default_rng([20, index])
    return int(rng.integers(len(SCENES))), int(rng.integers(MOST_CARS + 1))


def sweep(index: int) -> Float[np.ndarray, "n 4"]:
    """Points of one turn of the scanner."""
    kind, cars = scene_of(index)
    rng = np.random.default_rng([21, index])
    boxes, poles = _scene(SCENES[kind], cars, rng)
    up = np.deg2rad(np.linspace(-25, 12, BEAMS))[:, None]
    around = np.deg2rad(np.arange(STEPS) * 360 / STEPS + rng.uniform(0, 1))
    ray = np.stack([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up) + 0 * around], 2).reshape(
        -1, 3
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ground = np.where(ray[:, 2] < 0, -HEIGHT / ray[:, 2], np.inf)
        far = np.stack([ground, *(_box(ray, box) for box in boxes), *(_pole(ray, pole) for pole in poles)])
    hit = far.argmin(0)
    far = far.min(0)
    albedo = np.array([ALBEDO["ground"], *(box[6] for box in boxes), *([ALBEDO["pole"]] * len(poles))])
    seen = (far < REACH) & (rng.random(len(far)) > 0.05)
    far, ray, hit = far[seen], ray[seen], hit[seen]
    far += rng.normal(0, 0.02, len(far))
    light = (albedo[hit] * (1 - far / (2 * REACH)) + rng.normal(0, 0.03, len(far))).clip(0, 1)
    return np.concatenate([ray * far[:, None], light[:, None]], 1).astype(np.float32)


def _scene(kind: str, cars: int, rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Boxes (x, y of the middle, length, width, height, turn, albedo) and poles (x, y, radius, height), turned as a whole."""
    boxes, poles = [], []
    away = rng.uniform(7, 14)  # houses from the middle of the road
    lines = {"street": 1, "crossing": 2}.get(kind, 0)
    for line in range(lines):
        for side in (-1, 1):
            at = -REACH
            while at < REACH:
                length, depth = rng.uniform(8, 20), rng.uniform(6, 12)
                middle = np.array([at + length / 2, side * (away + depth / 2)])
                if lines == 1 or abs(middle[0]) > away + length / 2:  # the other road stays open
                    x, y = middle if line == 0 else middle[::-1]
                    wide, deep = (length, depth) if line == 0 else (depth, length)
                    boxes.append([x, y, wide, deep, rng.uniform(5, 15), 0, ALBEDO["house"]])
                at += length + (rng.uniform(2, 6) if rng.random() < 0.3 else 0)
    trees = {"street": 6, "crossing": 4, "car park": 3, "park": 25}[kind]
    for _ in range(int(rng.poisson(trees))):
        x, y = rng.uniform(-35, 35), rng.uniform(-35, 35)
        if kind == "street":
            y = np.sign(y) * (away - 2)
        if x * x + y * y > 9:
            poles.append([x, y, rng.uniform(0.1, 0.5), rng.uniform(3, 8)])
    if kind == "car park":  # a hall on one side
        boxes.append([0, rng.uniform(25, 35), rng.uniform(30, 60), 15, rng.uniform(6, 10), 0, ALBEDO["house"]])
    for i in range(cars):
        if kind == "car park":
            x, y, turn = 3.0 * (i - cars / 2), rng.choice([-8.0, 8.0]), np.pi / 2
        elif kind == "park":
            angle, r = 2 * np.pi * (i + rng.uniform(0.2, 0.8)) / cars, rng.uniform(6, 25)
            x, y, turn = r * np.cos(angle), r * np.sin(angle), rng.uniform(0, np.pi)
        else:
            x, y, turn = 7.0 * (i - cars / 2) + rng.uniform(0, 1.5), rng.choice([-1, 1]) * 4.5, 0.0
        boxes.append([x, y, rng.uniform(3.8, 5), rng.uniform(1.7, 2), rng.uniform(1.4, 1.9), turn, ALBEDO["car"]])
    turn = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(turn), np.sin(turn)
    for thing in (*boxes, *poles):
        thing[0], thing[1] = c * thing[0] - s * thing[1], s * thing[0] + c * thing[1]
    return [np.array([*b[:5], b[5] + turn, b[6]]) for b in boxes], [np.array(p) for p in poles]


def _box(ray: np.ndarray, box: np.ndarray) -> np.ndarray:
    """How far along each ray the box standing on the ground is; inf where it is not hit (slab test, Kay and Kajiya 1986)."""
    x, y, length, width, height, turn = box[:6]
    c, s = np.cos(turn), np.sin(turn)
    way = np.stack([c * ray[:, 0] + s * ray[:, 1], c * ray[:, 1] - s * ray[:, 0], ray[:, 2]])
    middle = np.array([c * x + s * y, c * y - s * x, height / 2 - HEIGHT])[:, None]
    half = np.array([length, width, height])[:, None] / 2
    one, other = (middle - half) / way, (middle + half) / way
    near, far = np.minimum(one, other).max(0), np.maximum(one, other).min(0)
    return np.where((near <= far) & (near > 0.5), near, np.inf)


def _pole(ray: np.ndarray, pole: np.ndarray) -> np.ndarray:
    x, y, radius, height = pole
    a = ray[:, 0] ** 2 + ray[:, 1] ** 2
    b = ray[:, 0] * x + ray[:, 1] * y
    root = b * b - a * (x * x + y * y - radius * radius)
    far = (b - np.sqrt(np.maximum(root, 0))) / a
    z = far * ray[:, 2] + HEIGHT
    return np.where((root > 0) & (far > 0.5) & (z >= 0) & (z <= height), far, np.inf)
