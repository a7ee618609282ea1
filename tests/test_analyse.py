"""What is said of vectors without labels, against closed forms; and the verb, on an encoder that was fitted to classes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.parts import TINY
from tests.vectors import encoder_of, pictures
from typer.testing import CliRunner

import headstart as hs
from headstart.analyses.geometry import (
    alignment,
    cka,
    directions_for,
    effective_rank,
    lidar,
    misfits,
    spectrum,
    uniformity,
)
from headstart.cli import app
from headstart.data.feeding.loader import rows
from headstart.data.source import DataError
from headstart.data.sources.array import ArraySource
from headstart.health import measure
from headstart.log import Log
from headstart.nn.encoder import encoder
from headstart.nn.heads import mean
from headstart.recipe import Data
from headstart.scoring.features import encode
from headstart.scoring.looks import LOOKS, by_depth, depths, looked_at
from headstart.tiny import tiny_data
from headstart.tokenizers import ImageTokenizer
from headstart.tokenizers.want import Want

QUIET = Log(quiet=True)


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_uniformity_and_alignment_by_hand():
    a, b = (chance(seed).standard_normal((50, 6)) for seed in (0, 1))
    unit = [z / np.linalg.norm(z, axis=1, keepdims=True) for z in (a, b)]
    far = torch.pdist(torch.from_numpy(unit[0])) ** 2
    assert uniformity(3 * a) == pytest.approx(float(far.mul(-2).exp().mean().log()))
    assert alignment(a, 7 * b) == pytest.approx(float(((unit[0] - unit[1]) ** 2).sum(1).mean()))
    alike = np.ones((50, 6))
    assert uniformity(alike) == 0 and alignment(alike, 2 * alike) == 0
    assert uniformity(np.eye(64)) == pytest.approx(-4) and alignment(a, -a) == pytest.approx(4)


def test_ranks():
    assert effective_rank(np.ones(5)) == pytest.approx(5) and effective_rank(np.zeros(5)) == 1
    x = chance().standard_normal((400, 3)) @ chance(1).standard_normal((3, 20))
    assert directions_for(spectrum(x)) <= 3 and measure(x).effective_rank < 3.1
    assert spectrum(x).sum() == pytest.approx(x.var(0).sum())


def test_lidar_counts_directions_that_tell_samples_apart():
    """Four directions of the samples; noise between looks fills all twenty, and is no direction, however loud."""
    rng = chance()
    samples = rng.standard_normal((300, 1, 4))
    loud = 0.1 * rng.standard_normal((300, 8, 20))
    loud[..., :4] += samples
    loud[..., 10:] += 5 * rng.standard_normal((300, 8, 10))
    assert 3.5 < lidar(loud) < 4.2 and measure(loud.reshape(-1, 20)).effective_rank > 8
    assert lidar(np.zeros((10, 3, 4))) == 1


def test_cka_is_blind_to_rotation_and_scale_alone():
    x = chance().standard_normal((200, 12))
    turn = np.linalg.qr(chance(1).standard_normal((12, 12)))[0]
    assert cka(x, x) == pytest.approx(1) and cka(x, 3 * x @ turn + 1) == pytest.approx(1, abs=1e-5)
    assert cka(x, chance(2).standard_normal((200, 7))) < 0.2 and cka(x, np.ones((200, 3))) == 0


def test_planted_labels_are_misfits():
    """The record's check: of ten labels that are wrong, more than half are among the twenty that fit least."""
    labels = np.arange(300) % 3
    z = 1.5 * chance().standard_normal((3, 16))[labels] + chance(1).standard_normal((300, 16))
    wrong = chance(2).permutation(300)[:10]
    labels[wrong] = (labels[wrong] + 1) % 3
    worst = np.argsort(-misfits(z, labels))[:20]
    assert len({*worst} & {*wrong}) >= 8


def test_depths_and_looks_are_those_of_the_samples():
    given = tiny_data("image")
    torch.manual_seed(0)
    enc = encoder(given.tokenizers, TINY)
    at = np.array([7, 2, 9, 4])
    by = by_depth(enc, given.only, given.source, at, batch=3)
    assert depths(enc) == (0, 1, 2) and len(by) == 3
    np.testing.assert_allclose(by[-1], encode(enc, given.only, given.source, at, ("mean",))["mean"], atol=1e-5)
    looks = looked_at(enc, given.only, given.source, range(12), batch=5)
    assert looks is not None and looks.shape == (12, LOOKS, TINY.width)
    apart = ((looks[:, :, None] - looks[:, None]) ** 2).sum(-1).mean()
    assert apart < 0.5 * ((looks[:, None] - looks[None]) ** 2).sum(-1).mean()
    np.testing.assert_allclose(looked_at(enc, given.only, given.source, range(12), batch=12), looks, atol=1e-5)


def test_an_encoder_fitted_to_classes_uses_fewer_directions():
    """The record's check: fitted to three classes an encoder's effective rank falls by 30 % and more."""
    noise, y = chance().random((90, 8, 8)), np.arange(90) % 3
    source = ArraySource((160 * noise + 90 * chance(1).random((3, 8, 8))[y]).astype(np.uint8), "image")
    given = Data(source, {"x": ImageTokenizer.fit([source[i] for i in range(90)], Want(patch=2))})
    torch.manual_seed(0)
    enc = encoder(given.tokenizers, TINY)
    head = torch.nn.Linear(TINY.width, 3)
    batch = rows([given.source[i] for i in range(90)], given.only, "x", 1)
    before = spectrum(by_depth(enc, given.only, given.source, range(90))[-1])
    optim = torch.optim.AdamW([*enc.parameters(), *head.parameters()], lr=3e-3)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(head(mean(enc(batch))), torch.from_numpy(y))
        optim.zero_grad()
        loss.backward()
        optim.step()
    after = spectrum(by_depth(enc, given.only, given.source, range(90))[-1])
    assert effective_rank(after) < 0.7 * effective_rank(before)


def test_the_verb(tmp_path: Path) -> None:
    place = pictures(tmp_path / "data")
    run = encoder_of(str(place), tmp_path / "run")
    made = hs.analyse(run, str(place), log=QUIET)
    assert set(made.rows) == {"pre-trained", "untrained"} and made.n == made.looked == 40 and made.depths == (0, 1)
    mine, other = made.rows["pre-trained"], made.rows["untrained"]
    assert len(mine.cka) == 2 and len(mine.linear) == len(other.linear) == 2 and not other.cka
    assert mine.figures["uniformity"] < 0 < mine.figures["alignment"] and 1 <= mine.figures["rank by LiDAR"] <= 16
    said = CliRunner().invoke(app, ["analyse", str(run), str(place)]).output
    for part in ("effective rank", "rank by LiDAR", "blocks", "linear-32", "CKA with untrained", "of 40 samples"):
        assert part in said, part
    bare = np.stack([np.full((8, 8, 1), i, np.uint8) for i in range(30)])
    np.save(tmp_path / "x.npy", bare)
    quiet = hs.analyse(run, str(tmp_path / "x.npy"), log=QUIET)
    assert not quiet.rows["pre-trained"].linear and quiet.misfits == []
    np.save(tmp_path / "few.npy", bare[:5])
    with pytest.raises(DataError, match="holds 5 samples"):
        hs.analyse(run, str(tmp_path / "few.npy"), log=QUIET)
