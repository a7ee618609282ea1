"""A SIMULATED satellite: small scenes of water, soil, buildings and vegetation in many wavelengths. No pixel was ever measured.

Every scene is 16x16 pixels with four to six patches of land. The class is what covers most of it (two fifths at least):
water, bare soil, built-up, healthy or stressed vegetation. Reflectance follows known curves: chlorophyll absorbs blue and
red, the red edge between 680 and 750 nm shifts to shorter waves and the plateau behind it sinks under stress (Horler et
al. 1983); leaf water absorbs at 1,450 and 1,940 nm; clear water is dark beyond 700 nm; dry soil and concrete rise slowly.
Illumination varies by a factor of 2 from scene to scene and with the slope inside it; haze adds light like wavelength^-4
to ^-1 and takes contrast (Rayleigh and aerosol scattering); noise and calibration differ by band. Up to a third of the
bands of a scene are missing (NaN). Splits: train and test have the twelve bands of Sentinel-2's land product; landsat has
the seven of Landsat 8, to see whether what was learnt carries over.
"""

from collections.abc import Callable

import numpy as np

from ..source import DataError, Source
from ..sources.listed import ListSource

SENTINEL2 = np.array([443, 492, 560, 665, 704, 741, 783, 833, 865, 945, 1614, 2202], np.float32)  # nm
LANDSAT8 = np.array([443, 482, 561, 655, 865, 1609, 2201], np.float32)
SPLITS = {"train": (3_000, SENTINEL2), "test": (1_000, SENTINEL2), "landsat": (1_000, LANDSAT8)}
CLASSES = ("water", "bare soil", "built-up", "healthy vegetation", "stressed vegetation")
SIDE = 16


def load(split: str = "train", seed: int = 0) -> Source:
    """{"bands": [C, 16, 16] reflectance, NaN missing, "wavelength": [C] nm}; scene `i` hangs on (seed, split, i) alone."""
    if split not in SPLITS:
        raise DataError(f"bands has no split {split}: write bands:{', bands:'.join(SPLITS)}")
    count, wavelength = SPLITS[split]
    scenes = _Scenes([seed, list(SPLITS).index(split)], count, wavelength)
    return ListSource(scenes, "multispectral", np.arange(count) % len(CLASSES), CLASSES, title=f"bands:{split}")


class _Scenes:
    def __init__(self, key: list[int], size: int, wavelength: np.ndarray):
        self.key, self.size, self.wavelength = key, size, wavelength

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        if not 0 <= index < self.size:
            raise IndexError(index)
        return scene(np.random.default_rng([*self.key, index]), index % len(CLASSES), self.wavelength)


def scene(rng: np.random.Generator, main: int, wavelength: np.ndarray) -> dict[str, np.ndarray]:
    """One scene in which the class `main` covers most."""
    nm = wavelength.astype(np.float64)
    cover = _cover(rng, main)
    ground = np.zeros((len(nm), SIDE, SIDE))
    for patch in np.unique(cover):
        curve = COVERS[patch % len(CLASSES)](nm, rng)
        texture = 1 + 0.08 * rng.standard_normal((SIDE, SIDE))
        ground += curve[:, None, None] * texture * (cover == patch)
    slope = np.add.outer(*(rng.uniform(-0.2, 0.2) * np.linspace(-1, 1, SIDE) for _ in range(2)))
    light = rng.uniform(0.6, 1.2) * (1 + slope)
    haze = rng.uniform(0, 0.12) * (nm / 443) ** -rng.uniform(1, 4)
    seen = ground * light * (1 - haze)[:, None, None] + haze[:, None, None]
    seen *= (1 + 0.03 * rng.standard_normal(len(nm)))[:, None, None]
    seen += 0.004 * rng.standard_normal(seen.shape)
    gone = rng.permutation(len(nm))[: rng.integers(0, len(nm) // 3 + 1)]
    seen[gone] = np.nan
    return {"bands": seen.astype(np.float32), "wavelength": wavelength}


def _cover(rng: np.random.Generator, main: int) -> np.ndarray:
    """[16, 16]: the number of the patch that a pixel lies in (nearest of random centres); its class is that modulo 5."""
    y, x = np.mgrid[:SIDE, :SIDE]
    while True:
        centres = rng.uniform(0, SIDE, (int(rng.integers(4, 7)), 2))
        nearest = ((y[..., None] - centres[:, 0]) ** 2 + (x[..., None] - centres[:, 1]) ** 2).argmin(-1)
        kinds = rng.integers(0, len(CLASSES), len(centres))
        kinds[: int(rng.integers(1, 3))] = main
        cover = kinds[nearest] + len(CLASSES) * nearest
        shares = np.bincount((cover % len(CLASSES)).ravel(), minlength=len(CLASSES)) / SIDE**2
        if shares[main] >= 0.4 and shares.argmax() == main:
            return cover


def _bell(nm: np.ndarray, middle: float, width: float) -> np.ndarray:
    return np.exp(-(((nm - middle) / width) ** 2) / 2)


def water(nm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Clear to turbid: blue-green, or brown with suspended soil; dark beyond 750 nm."""
    mud = rng.uniform(0, 1)
    return 0.005 + 0.05 * np.exp(-(nm - 400) / 150) + 0.09 * mud * _bell(nm, 590, 90)


def soil(nm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rising with the wavelength, darker when wet, with the dip of clay at 2,200 nm."""
    wet = rng.uniform(0, 1)
    rise = rng.uniform(0.06, 0.1) + rng.uniform(0.26, 0.38) * (1 - np.exp(-(nm - 400) / rng.uniform(450, 700)))
    wetness = 0.5 * wet * (0.6 + 0.4 * (nm > 1300))
    return rise * (1 - wetness) * (1 - rng.uniform(0.05, 0.2) * _bell(nm, 2205, 60))


def built(nm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Asphalt to concrete and tiles: nearly flat."""
    level = rng.uniform(0.1, 0.3)
    return level * (1 + rng.uniform(0, 0.45) * (1 - np.exp(-(nm - 400) / 300)) - rng.uniform(0, 0.2) * (nm > 2000))


def vegetation(nm: np.ndarray, rng: np.random.Generator, health: float) -> np.ndarray:
    """Leaves over soil; `health` from 0 to 1 is chlorophyll and leaf water."""
    edge = 700 + 20 * health + rng.uniform(-4, 4)
    plateau = rng.uniform(0.36, 0.52) * (0.75 + 0.25 * health)
    green = 0.05 + 0.05 * (1 - health)
    visible = green + 0.05 * _bell(nm, 552, 28) + (0.06 * (1 - health)) * _bell(nm, 620, 60)
    visible = visible - 0.035 * health * (_bell(nm, 450, 40) + _bell(nm, 672, 22))
    leaf = visible + (plateau - green) / (1 + np.exp(-(nm - edge) / 14))
    moist = 0.4 + 0.6 * health
    leaf = leaf * (1 - 0.1 * moist * _bell(nm, 970, 30)) * (1 - 0.9 * moist * _bell(nm, 1450, 90))
    leaf = leaf * np.where(nm > 1300, 1 - 0.45 * moist, 1.0) * (1 - 0.9 * moist * _bell(nm, 1940, 130))
    leaf = leaf * np.where(nm > 2000, 0.6, 1.0)
    full = rng.uniform(0.7, 1.0)
    return full * leaf + (1 - full) * soil(nm, rng)


def healthy(nm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return vegetation(nm, rng, rng.uniform(0.7, 1.0))


def stressed(nm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return vegetation(nm, rng, rng.uniform(0.1, 0.5))


COVERS: tuple[Callable[[np.ndarray, np.random.Generator], np.ndarray], ...] = (water, soil, built, healthy, stressed)
