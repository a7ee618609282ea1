"""Clouds of points and splats: groups that cover them, whatever order the points come in."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.augment import points as augment_points
from headstart.augment import splats as augment_splats
from headstart.data.sets import furniture, lidar
from headstart.data.source import DataError
from headstart.errors import Mistake, Unreadable
from headstart.step import Rng
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.groups import farthest, in_boxes, morton, thinned
from headstart.tokenizers.points import PointsTokenizer
from headstart.tokenizers.splats import SplatsTokenizer, upright
from headstart.tokenizers.want import Want

RNG = np.random.default_rng(0)


def shell(n: int, features: int = 0) -> np.ndarray:
    """Points on an ellipsoid away from the origin."""
    x = RNG.normal(size=(n, 3))
    x = x / np.linalg.norm(x, axis=1, keepdims=True) * [2, 1, 0.6] + [5, -3, 1]
    return np.concatenate([x, RNG.random((n, features)) * 9 + 100], 1).astype(np.float32)


def scene(n: int) -> np.ndarray:
    """Splats that splatting software could have left."""
    q = RNG.normal(size=(n, 4)) * 3
    rest = [RNG.normal(-4, 1, (n, 3)), q, RNG.normal(0, 2, (n, 1)), RNG.random((n, 3))]
    return np.concatenate([shell(n), *rest], 1).astype(np.float32)


def rng(samples: int) -> Rng:
    return Rng(torch.tensor(7), torch.arange(samples))


OBJECTS = [shell(1_500) for _ in range(12)]
FIT = PointsTokenizer.fit(OBJECTS)
SWEEPS = [lidar.sweep(i) for i in range(12)]
PILLARS = PointsTokenizer.fit(SWEEPS)
SCENES = [scene(600) for _ in range(8)]
SPLATS = SplatsTokenizer.fit(SCENES)


@pytest.mark.parametrize("features", [0, 1, 3])
def test_points_keep_the_contract(features: int) -> None:
    some = [shell(n, features) for n in (1_500, 1_500, 2_000, 300, 33, 5, 1)]
    tokenizer = PointsTokenizer.fit(some[:3])
    assert (tokenizer.cells, tokenizer.features) == ("groups", features)
    check_tokenizer(tokenizer, [*some, some[0].astype(np.float64), (some[0] * 100).astype(np.int32)])


def test_sweeps_keep_the_contract() -> None:
    for cells in ("pillars", "voxels"):
        tokenizer = PointsTokenizer(**{**PILLARS.state(), "cells": cells})
        check_tokenizer(tokenizer, [*SWEEPS[:3], SWEEPS[3][:700], SWEEPS[0][:1]])


def test_splats_keep_the_contract() -> None:
    check_tokenizer(SPLATS, [*SCENES[:3], scene(100), scene(7), scene(1)])


def test_an_object_makes_64_rows_of_32_points_that_hold_nine_tenths_of_it() -> None:
    fitted = [FIT.fitted(x) for x in OBJECTS]
    assert (FIT.points, FIT.every, FIT.patch) == (1_024, 16, 32)  # Point-MAE's sizes
    assert all(x.shape == (1_024, 3) and len(FIT(x)) == 64 for x in fitted)
    held = [len(np.unique(FIT.kept(x), axis=0)) / len(x) for x in fitted]
    assert min(held) > 0.95
    lumps = [(shell(1_500) - [5, -3, 1]) * RNG.random((1_500, 1)) for _ in range(6)]  # dense in the middle
    assert len(np.unique(FIT.kept(FIT.fitted(lumps[0])), axis=0)) < 0.85 * 1_024
    larger = PointsTokenizer.fit(lumps)  # so groups grow
    held = [len(np.unique(larger.kept(larger.fitted(x)), axis=0)) for x in lumps]
    assert larger.patch == 64 and np.mean(held) > 0.9 * 1_024


def test_rows_are_standardised_and_neighbours_are_one_apart() -> None:
    tokens = FIT.many(torch.from_numpy(np.stack([FIT.fitted(x) for x in OBJECTS])))
    assert abs(float(tokens.values.mean())) < 0.01 and abs(float(tokens.values.std()) - 1) < 0.01
    gaps = torch.cdist(tokens.coords[:64], tokens.coords[:64]).fill_diagonal_(9).amin(1)
    assert 0.9 < float(gaps.median()) < 1.1 and float(gaps.min()) > 0.5


def test_what_was_asked_for_is_obeyed() -> None:
    for rows in (16, 128):
        tokenizer = PointsTokenizer.fit(OBJECTS, Want(rows=rows))
        assert len(tokenizer(tokenizer.fitted(OBJECTS[0]))) == rows
    assert PointsTokenizer.fit(OBJECTS, Want(patch=24)).patch == 24
    assert PointsTokenizer.fit(OBJECTS, Want(longest=500)).fitted(OBJECTS[0]).shape == (500, 3)


@pytest.mark.parametrize(("tokenizer", "samples"), [(FIT, OBJECTS), (PILLARS, SWEEPS), (SPLATS, SCENES)])
def test_the_order_of_the_points_does_not_matter(tokenizer: PointsTokenizer, samples: list[np.ndarray]) -> None:
    for sample in samples[:4]:
        one, other = (tokenizer(tokenizer.fitted(x)) for x in (sample, sample[RNG.permutation(len(sample))]))
        torch.testing.assert_close(one.values, other.values, atol=1e-3, rtol=0)
        torch.testing.assert_close(one.coords, other.coords, atol=1e-4, rtol=0)


def test_nor_does_it_in_an_array_that_nobody_sorted() -> None:
    x = torch.from_numpy(FIT.fitted(OBJECTS[0]))
    one, other = (
        FIT.many(x[None]),
        FIT.many(x[None, torch.randperm(len(x), generator=torch.Generator().manual_seed(0))]),
    )
    assert torch.equal(one.coords, other.coords) and torch.equal(one.values, other.values)


def test_size_and_place_of_an_object_do_not_matter() -> None:
    one, other = (FIT(FIT.fitted(x)) for x in (OBJECTS[0][:1_000], OBJECTS[0][:1_000] * 40 - 7))
    torch.testing.assert_close(one.coords, other.coords, atol=1e-3, rtol=0)
    assert float((one.values - other.values).square().mean()) < 0.02


def test_farthest_points_spread_much_farther_than_those_chosen_by_lot() -> None:
    x = torch.from_numpy(np.stack([FIT.fitted(x) for x in OBJECTS]))
    even, lot = farthest(x, 64), torch.rand(12, 1_024, generator=torch.Generator().manual_seed(0)).argsort(1)[:, :64]
    gaps = []
    for at in (even, lot):
        c = x.gather(1, at[..., None].expand(-1, -1, 3))
        gaps.append(float((torch.cdist(c, c) + 9 * torch.eye(64)).amin(2).mean()))
    assert gaps[0] > 1.6 * gaps[1]
    assert all(len(set(row.tolist())) == 64 for row in even)
    assert len(set(farthest(torch.zeros(1, 9, 3), 9)[0].tolist())) == 9  # even where all lie at one place


def test_noise_disturbs_the_order_in_boxes_less_than_by_distance() -> None:
    generator = torch.Generator().manual_seed(0)
    groups = torch.randn(500, 32, 3, generator=generator)
    noisy = groups + 0.05 * torch.randn(groups.shape, generator=generator)

    def ordered(x: torch.Tensor, boxes: bool) -> torch.Tensor:
        order = in_boxes(x) if boxes else x.norm(dim=-1).argsort(dim=-1)
        return x.gather(1, order[..., None].expand_as(x))

    boxes, distance = ((ordered(groups, b) - ordered(noisy, b)).square().mean() for b in (True, False))
    assert float(boxes) < 0.25 * float(distance)
    slots = ordered(groups, True).mean(0)  # and a place means the same in every group
    assert float(slots.square().mean()) > 0.5
    for k in (1, 2, 3, 24, 31):
        assert torch.equal(in_boxes(groups[:, :k]).sort(-1).values, torch.arange(k).expand(500, k))


def test_rows_next_to_each_other_lie_near_each_other() -> None:
    coords = FIT(FIT.fitted(OBJECTS[0])).coords
    steps, any_two = coords.diff(dim=0).norm(dim=1).mean(), torch.cdist(coords, coords).mean()
    assert float(steps) < 0.5 * float(any_two)
    assert len(set(morton(torch.cartesian_prod(*[torch.arange(-8.0, 8)] * 3)).tolist())) == 16**3


def test_large_flat_sweeps_become_pillars_with_few_points_lost() -> None:
    assert PILLARS.cells == "pillars" and not PILLARS.unit and PILLARS.features == 1
    fitted = [PILLARS.fitted(x) for x in SWEEPS]
    rows = [len(PILLARS(x)) for x in fitted]
    assert 45 < np.median(rows) < 85
    assert np.mean([len(PILLARS.kept(x)) / len(x) for x in fitted]) > 0.75
    x = fitted[0]
    tokens = PILLARS(x)
    cells = {tuple(c) for c in np.floor(x[:, :2].astype(np.float64) / PILLARS.spacing).astype(int).tolist()}
    assert {tuple(map(int, c)) for c in tokens.coords.tolist()} == cells
    count = 2 ** (tokens.values[:, -1] * PILLARS.std[-1] + PILLARS.mean[-1])
    assert round(float(count.sum())) == len(x)
    upright = PointsTokenizer.fit([RNG.uniform(-30, 30, (6_000, 3)).astype(np.float32) for _ in range(3)])
    assert upright.cells == "voxels"


def test_dense_places_are_thinned_first() -> None:
    near, far = RNG.normal(0, 0.5, (9_000, 3)), RNG.uniform(20, 40, (1_000, 3))
    both = np.concatenate([near, far])
    even, lot = (len(x[x[:, 0] > 15]) for x in (thinned(both, 2_000, 1.0), thinned(both, 2_000)))
    assert even > 900 and lot < 300


@pytest.mark.parametrize("tokenizer", [FIT, PILLARS, SPLATS])
def test_what_is_no_cloud_is_refused_in_words(tokenizer: PointsTokenizer) -> None:
    good = SCENES[0][:, : 14 if tokenizer is SPLATS else 4]
    nan, inf = good.copy(), good.copy()
    nan[3, 1], inf[2, 0] = np.nan, np.inf
    bad: list[Any] = [
        None,
        "cloud",
        {},
        [[1.0, 2, 3]],
        good[:0],
        good[:, :2],
        good[None],
        nan,
        inf,
        good.astype(complex),
    ]
    bad += [
        good.astype(str),
        good > 0,
        np.zeros((0,)),
        np.float32(3),
        good.astype(object),
        good.astype(np.float64) * 1e30,
    ]
    for sample in bad:
        with pytest.raises(Unreadable):
            tokenizer.fitted(sample)
    for samples in ([], [None], [nan]):
        with pytest.raises(Mistake, match="none of the samples"):
            type(tokenizer).fit(samples)


def test_strange_clouds_still_make_rows() -> None:
    line = np.linspace(0, 1e-30, 2_000, dtype=np.float64)[:, None] * [1, 0, 0]
    twice = np.repeat(shell(10), 300, axis=0)
    far = np.concatenate([shell(500), [[1e9, 0, 0]]])
    for sample in (line, twice, far, np.zeros((2_000, 3)), np.full((50, 3), 1e11)):
        tokens = FIT(FIT.fitted(sample))
        assert len(tokens) and tokens.values.isfinite().all()
        assert len({tuple(c) for c in tokens.coords.tolist()}) == len(tokens)


def test_columns_that_others_lack_are_left_out_but_missing_ones_are_an_error() -> None:
    assert FIT.fitted(shell(1_500, 3)).shape == (1_024, 3)
    with pytest.raises(Unreadable, match="3 columns"):
        PILLARS.fitted(SWEEPS[0][:, :3])


def test_crops_are_parts_turned_about_z() -> None:
    x = torch.from_numpy(np.stack([FIT.fitted(x) for x in OBJECTS]))
    small = augment_points.crop(x, rng(12), (0.1, 0.2), 0.25, 32)
    big = augment_points.crop(x, rng(12), (1.0, 1.0), 1.0, 32)
    assert small.shape == (12, 256, 3) and big.shape == (12, 1_024, 3)
    assert FIT.many(small).content == (16,) * 12

    def radius(c: torch.Tensor) -> float:
        return float(c.square().sum(-1).mean().sqrt())

    assert radius(small) < 0.6 * radius(x)
    assert 0.7 < radius(big) / radius(x) < 1.3
    flat = x.clone()
    flat[..., 2] = 0
    assert augment_points.crop(flat, rng(12), (1.0, 1.0), 1.0, 1)[..., 2].abs().max() < 0.05  # up stays up
    assert float(augment_points.crop(x, rng(12), (1.0, 1.0), 1.0, 1).mean(1).abs().max()) < 1e-2
    again = augment_points.crop(x.flip(0), Rng(torch.tensor(7), torch.arange(12).flip(0)), (0.1, 0.2), 0.25, 32)
    torch.testing.assert_close(again.flip(0), small, atol=1e-5, rtol=0)


def test_normals_turn_along_and_colours_do_not() -> None:
    x = torch.from_numpy(RNG.normal(size=(4, 200, 3)).astype(np.float32))
    normals = torch.nn.functional.normalize(x, dim=-1)
    out = augment_points.crop(torch.cat([x, normals, normals * 0.5], -1), rng(4), (1.0, 1.0), 1.0, 1)
    plain = augment_points.crop(torch.cat([x, normals * 0.5], -1), rng(4), (1.0, 1.0), 1.0, 1)
    torch.testing.assert_close(plain[..., 3:], out[..., 6:])  # in the same order, unturned
    assert float((out[..., 3:6] - 2 * out[..., 6:]).abs().mean()) > 0.1
    assert torch.allclose(out[..., 5], 2 * out[..., 8])  # what points up still does
    centred = out[..., :3] - out[..., :3].mean(1, keepdim=True)
    assert float(torch.nn.functional.cosine_similarity(centred, out[..., 3:6], dim=-1).mean()) > 0.95


def test_splats_are_brought_to_one_size_with_their_scales_and_one_sign() -> None:
    for sample in SCENES:
        x = SPLATS.fitted(sample)
        assert (x[:, 6] >= 0).all() and np.allclose(np.linalg.norm(x[:, 6:10], axis=1), 1, atol=1e-5)
        assert abs(np.quantile(np.linalg.norm(x[:, :3], axis=1), 0.95) - 1) < 1e-3
        other = sample.copy()
        other[:, :3], other[:, 3:6], other[:, 6:10] = (
            5 * sample[:, :3] + 2,
            sample[:, 3:6] + np.log(5),
            -sample[:, 6:10],
        )
        assert len(SPLATS.fitted(other)) == len(x)
        np.testing.assert_allclose(SPLATS.fitted(other)[:, 3:].mean(0), x[:, 3:].mean(0), atol=0.05)
    assert (upright(np.array([[0.0, -1, 0, 0], [0, 0, 0, 0]])) == [[0, 1, 0, 0], [1, 0, 0, 0]]).all()
    faint = SCENES[0].copy()
    faint[::2, 10] = -9
    assert len(SPLATS.fitted(faint)) < 0.55 * len(faint)


def test_turned_splats_cover_what_turned_points_do() -> None:
    x = torch.from_numpy(SPLATS.fitted(SCENES[0]))[None]
    x[..., 11:] = torch.arange(3.0)
    values, turn, size = augment_points.part(x, rng(1), (1.0, 1.0), 1.0, 1)
    out = augment_splats.crop(x, rng(1), (1.0, 1.0), 1.0, 1)

    def cover(s: torch.Tensor) -> torch.Tensor:  # R S S R' of each splat
        w, a, b, c = s[0, :, 6:10].unbind(-1)
        rows = [1 - 2 * (b * b + c * c), 2 * (a * b - w * c), 2 * (a * c + w * b)]
        rows += [2 * (a * b + w * c), 1 - 2 * (a * a + c * c), 2 * (b * c - w * a)]
        rows += [2 * (a * c - w * b), 2 * (b * c + w * a), 1 - 2 * (a * a + b * b)]
        r = torch.stack(rows, -1).view(-1, 3, 3) * s[0, :, None, 3:6].exp()
        return r @ r.mT

    turned = turn[0].T @ cover(values) @ turn[0] * size**2
    torch.testing.assert_close(cover(out), turned, atol=1e-5, rtol=1e-3)
    assert (out[..., 6] >= 0).all()


def test_the_baseline_tells_shapes_apart() -> None:
    def box(n: int) -> np.ndarray:
        x = RNG.uniform(-1, 1, (n, 3))
        x[np.arange(n), RNG.integers(0, 3, n)] = RNG.choice([-1, 1], n)
        return (x * [2, 1, 0.6]).astype(np.float32)

    both = [FIT.raw(FIT.fitted(x)) for make in (shell, box) for x in [make(1_500) for _ in range(5)]]
    far = np.linalg.norm(np.stack(both)[:, None] - np.stack(both)[None], axis=2)
    assert far[:5, 5:].min() > 1.15 * far[:5, :5].max()
    assert len(both[0]) <= 3_072 and len(SPLATS.raw(SPLATS.fitted(SCENES[0]))) <= 3_072


def test_simulated_sweeps_are_what_they_say() -> None:
    source = lidar.load()
    assert len(source) == 400 and source.kind == "points" and len(source.classes) == 8
    assert np.array_equal(source[3], lidar.sweep(3)) and not np.array_equal(source[3][:9], source[4][:9])
    for i in range(6):
        x = source[i]
        assert 4_000 < len(x) < 12_000 and x.dtype == np.float32 and x.shape[1] == 4
        assert x[:, 2].min() > -2.1 and np.linalg.norm(x[:, :3], axis=1).max() < 61 and x[:, 3].min() >= 0
        assert (np.abs(x[:, 2] + lidar.HEIGHT) < 0.1).mean() > 0.2  # the ground
    bright = [np.mean(source[i][:, 3] > 0.65) for i in range(60)]  # only cars are that bright
    assert np.corrcoef(bright, np.asarray(source.labels)[:60])[0, 1] > 0.5
    assert lidar.load("scenes").classes == lidar.SCENES
    with pytest.raises(DataError, match="lidar:scenes"):
        lidar.load("test")


def test_furniture_is_read_from_its_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cube = "\n".join(f"v {x} {y} {z}" for x in (0, 1) for y in (0, 1) for z in (0, 1))
    cube += "\nf 1 2 4 3\nf 5/1/1 6/2/2 8/3/3 7/4/4\nf -8 -7 -3 -4\nf 3 4 8 7\n"
    tent = "v 0 0 0\nv 2 0 0\nv 1 5 0\nv 1 0 2\nf 1 2 3\nf 1 2 4\nf 2 3 4\n"
    models = [("Crate", "Box", cube), ("Kist\\u00e9", "Box", cube), ("Tent", "Out", tent)]
    text = [f"name#{i}={n}\ncategory#{i}={c}\nmodel#{i}=/m/{i}.obj\n" for i, (n, c, _) in enumerate(models, 1)]
    text += [f"width#{i}=50\ndepth#{i}=20.0\nheight#{i}=80" for i in (1, 2, 3)]
    with zipfile.ZipFile(tmp_path / "Some.sh3f", "w") as file:
        file.writestr("PluginFurnitureCatalog.properties", "# c\nid=x\n" + "\n".join(text))
        for i, (_, _, mesh) in enumerate(models, 1):
            file.writestr(f"m/{i}.obj", mesh)
    monkeypatch.setattr(furniture, "unpacked", lambda *_: tmp_path)
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    for _ in range(2):  # the second time from the cache
        source: Any = furniture.load()
        assert source.classes == ("Box", "Out") and source.labels.tolist() == [0, 0, 1]
        assert source.name(1) == "Some/Kisté" and source.groups.tolist() == [0, 0, 2]
        assert source[0].shape == (2_048, 3)
        np.testing.assert_allclose(np.ptp(source[0], axis=0), [50, 20, 80], rtol=0.02)
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "other"))
    data = (tmp_path / "Some.sh3f").read_bytes()
    for broken in (b"", data[: len(data) // 2], data.replace(b"category", b"Category")):
        (tmp_path / "Some.sh3f").write_bytes(broken)
        with pytest.raises(DataError, match="library of furniture"):
            furniture.load()
    monkeypatch.setattr(furniture, "BYTES", 10)
    (tmp_path / "Some.sh3f").write_bytes(data)
    with pytest.raises(DataError, match="more than"):
        furniture.load()
    with pytest.raises(DataError, match="no split"):
        furniture.load("train")
