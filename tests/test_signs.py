"""What goes wrong is seen in time, named, and mended where it can be; and what goes well is left alone."""

import dataclasses
import html
import json
import math

import numpy as np
import pytest
import torch
from tests.parts import TINY, data, recipe
from typer.testing import CliRunner

import headstart as hs
from headstart.checkpoint import complete
from headstart.cli import app
from headstart.corrupt import corrupt, noise, random
from headstart.data.sources.array import ArraySource
from headstart.errors import Mistake
from headstart.health import Health, TrainingStopped, verdict
from headstart.log import Log
from headstart.nn.encoder import encoder
from headstart.nn.heads import mean
from headstart.objective import Loss, Objective
from headstart.probes import Figure
from headstart.recipe import Care, Recipe, Run
from headstart.running.doctor import Moved, course_of, judge, looking
from headstart.running.healing import SHARE, TRIES, History, hopeless, mended
from headstart.scoring.score import watcher
from headstart.signs import Course
from headstart.step import Step
from headstart.terms import Term
from headstart.tiny import tiny_data
from headstart.tokenizers import ImageTokenizer
from headstart.tokenizers.want import Want
from headstart.train import train
from headstart.words import changed

RUN = Run(device="cpu", dtype="fp32", save_every=0.1)
STEPS = 40


def given(values=None):
    """48 pictures, as they are or as they are told to be."""
    plain = data("image", n=48, batch=16)
    if values is None:
        return plain
    source = ArraySource(values, "image")
    return dataclasses.replace(plain, source=source, tokenizers={"x": ImageTokenizer.fit([source[0]], Want(patch=2))})


def fresh(name="mae", steps=STEPS, lr=1e-3, values=None, **options):
    made = recipe(name, "image", given=given(values), **options)
    return dataclasses.replace(made, steps=steps, optim=changed(made.optim, {"lr": lr}, "optim"))


def looked_after(made, folder, heal="advise", anew=None, run=RUN, until=None):
    """(verdict, log) of a run as `pretrain` looks after it, in which training may have stopped."""
    log = Log(folder / "log.jsonl", quiet=True)
    noted: list[Health] = []
    watch = watcher(made.objective.encoder, made.data.only, made.data.source, None, "mean", noted.append)
    watch = looking(watch, Moved(made.objective), noted, log)
    course = course_of(made, log.path)
    stop = None
    try:
        outcome = mended(made, anew or fresh, run, heal, folder, log, watch, course)
        end = outcome.step
    except TrainingStopped as error:
        stop, end = str(error), max([*course.losses, *course.skipped]) + 1
    watch(end)
    return judge(folder, made, run.seed, course, noted, log, end, 0), log, stop


def seen(log):
    """{name of a sign: the step after which it was told}."""
    return {row["name"]: row["step"] for row in log.rows("sign")}


class Alike(Term):
    """Two views that are to be the same, and nothing that keeps them apart."""

    def __init__(self):
        super().__init__()
        self.reads = ("a", "b")

    def forward(self, scene):
        a, b = (mean(scene.student.z[v]) for v in self.reads)
        return 1 - torch.nn.functional.cosine_similarity(a, b).mean()


def unguarded(steps=STEPS):
    torch.manual_seed(0)
    some = given()
    enc = encoder(some.tokenizers, TINY)
    task = Objective(enc, {v: ("x", corrupt(random, 0.9, noise)) for v in ("a", "b")}, {"alike": Alike()})
    return Recipe(task, some, dataclasses.replace(fresh().optim, lr=1e-2), steps=steps)


def led(momentum):
    made = fresh("dino")
    made.objective.teacher.momentum = momentum
    return made


LOOK = STEPS // 4  # what is seen by looking is seen at the first look after a quarter
PLANTED = {  # what is wrong -> (the sign, steps within which it is seen, what the remedy says, the recipe)
    "a rate 1000 times too high": ("diverging", 12, "lower optim.lr, which is 1, to 0.1", lambda: fresh(lr=1.0)),
    "so of a method whose loss moves": ("rate too high", LOOK, "lower optim.lr", lambda: fresh("dino", lr=1.0)),
    "a rate 10,000 times too low": (
        "rate too low",
        2 * LOOK,
        "raise optim.lr, which is 1e-07, to 1e-05",
        lambda: fresh(lr=1e-7),
    ),
    "nothing hidden": ("nothing asked", 5, "ratio=", lambda: fresh("gmml", ratio=0.0)),
    "constant data": ("constant data", 0, "headstart show", lambda: fresh(values=np.full((48, 8, 8), 7, np.uint8))),
    "a teacher that never moves": ("teacher still", 2 * LOOK, "momentum below 1", lambda: led(1.0)),
    "two views without a guard": ("collapsed", LOOK, "recipe=dino", unguarded),
}


@pytest.mark.parametrize("wrong", PLANTED)
def test_what_is_wrong_is_named_in_time(wrong, tmp_path):
    name, within, remedy, make = PLANTED[wrong]
    said, log, _ = looked_after(make(), tmp_path)
    assert seen(log).get(name, math.inf) <= within, seen(log)
    (sign,) = [row for row in log.rows("sign") if row["name"] == name]
    assert remedy in sign["remedy"]
    kept = json.loads((tmp_path / "health.json").read_text())
    assert kept["verdict"] == said and all(each["said"] in said for each in kept["signs"])
    assert name == "diverging" or name in {
        each["name"] for each in kept["signs"]
    }  # which may be mended by the last steps


def spoil(made, when, share=math.nan):
    """The loss of these steps is not finite."""
    real = made.objective.forward

    def forward(batch, step):
        loss = real(batch, step)
        return Loss(loss.total * share, loss.parts) if when(batch, step) else loss

    made.objective.forward = forward
    return made


def test_many_steps_that_are_not_finite_end_a_run_with_a_sentence(tmp_path):
    """Four of five are skipped: never PATIENCE in a row, and nothing is learnt."""
    said, log, stop = looked_after(spoil(fresh(), lambda batch, step: step.index % 5), tmp_path)
    assert seen(log) == {"not finite": 12} and "training stopped at step 12: not finite: 10 of the 13 steps" in stop
    assert "run.heal=act" in stop and said.startswith("not finite: 10 of") and "10 of 13 steps were left out" in said
    again = hopeless(tmp_path, "advise")
    assert "with the same words would again" in again and "infinite or enormous values" in again
    assert hopeless(tmp_path, "act") == ""


def test_a_run_that_stopped_does_not_creep_on(tmp_path):
    _, _, stop = looked_after(spoil(fresh(), lambda batch, step: step.index >= 6), tmp_path)
    assert "the loss was not finite for 5 steps in a row, until step 10" in stop
    assert "was not finite for 5 steps in a row" in hopeless(tmp_path, "advise")


def test_all_that_is_skipped_is_in_the_verdict_where_nobody_heals(tmp_path):
    said, log, stop = looked_after(spoil(fresh(), lambda batch, step: step.index % 5), tmp_path, "off")
    assert stop is None and not seen(log) and "32 of 40 steps were left out, as their loss or gradient" in said


def test_a_broken_sample_is_named(tmp_path):
    broken = spoil(fresh(), lambda batch, step: 7 in batch.index.tolist(), math.inf)
    said, _, stop = looked_after(broken, tmp_path)
    assert stop is None
    assert (
        "13 of 40 steps were left out, as their loss or gradient was not finite, all of them with image[7] and no"
        in said
    )


def test_a_loss_that_falls_while_the_probe_falls_is_said_as_that():
    knn = [{"knn": Figure(value, 0.01, 100)} for value in (0.5, 0.4)]
    said = verdict(Health(20.0, 0.9, 32, 100), list(np.linspace(3, 1, 40)), knn)
    assert (
        said.startswith("not helping: knn went from 0.500") and "the loss fell meanwhile, from 2.923 to 1.077" in said
    )


def course(losses, **options):
    made = Course(len(losses), 1e-3, **options)
    for step, loss in enumerate(losses):
        made.hear("step", {"step": step, "loss": loss, "grad_norm": 1.0})
    return made


def test_a_loss_that_rises_is_diverging_and_not_flat():
    rising = list(np.linspace(3.56, 19.76, 60))
    (sign,) = course(rising).signs()
    assert (
        sign.name == "diverging" and "the loss rose from 3.56 to 19.2" in sign.said and "lower optim.lr" in sign.remedy
    )
    lost = [*np.linspace(3, 0.5, 40), *np.linspace(0.5, 2.9, 20)]
    (sign,) = course(lost).signs()
    assert sign.name == "diverging" and 35 <= sign.back <= 42
    for fine in (rising[::-1], [2.0] * 60, [3.0, 9.0, 3.0] * 20, [*[1.0] * 50, *[7.0] * 4]):
        assert course(fine).signs() == []
    assert course(rising, moving=True).signs() == []  # of dino, mugs and others


# healing


def course_is_quiet(name, kind):
    given = tiny_data(kind, n=24, batch=8)
    made = dataclasses.replace(recipe(name, kind, given=given), steps=24)
    course, noted = course_of(made, None), []
    log = Log(quiet=True)
    watch = watcher(made.objective.encoder, given.only, given.source, None, "mean", noted.append)
    log.listeners.append(course.hear)
    train(made, RUN, None, log, looking(watch, Moved(made.objective), noted, log))
    return course.signs()


@pytest.mark.parametrize(("name", "kind"), [("mugs", "image"), ("swav", "series"), ("point_bert", "points")])
def test_what_goes_well_is_left_alone(name, kind):
    """benchmarks/signs.py has all recipes, and more steps; test_recipes all of them with few."""
    assert course_is_quiet(name, kind) == []


# healing


class Killed(Exception):
    """As if the power went."""


def to_the_end(folder, kills=()):
    """A run at a rate that diverges twice, killed at these calls of the objective and begun again; the objective, and its log."""
    calls = 0
    for _ in range(len(kills) + 1):
        made = fresh(lr=1.0)
        real = made.objective.forward

        def forward(batch, step, real=real):
            nonlocal calls
            calls += 1
            if calls in kills:
                raise Killed
            return real(batch, step)

        made.objective.forward = forward
        log = Log(folder / "log.jsonl", quiet=True)
        try:
            course = course_of(made, log.path)
            outcome = mended(made, lambda: fresh(lr=1.0), RUN, "act", folder, log, None, course)
        except Killed:
            continue
        assert outcome.step == STEPS and len(outcome.losses) == STEPS
        return made.objective.state_dict(), log
    raise AssertionError("it was killed more often than it ran")


@pytest.fixture(scope="module")
def healed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("healed")
    return folder, *to_the_end(folder)


def test_what_diverges_goes_back_and_on_with_a_lower_rate(healed):
    folder, weights, log = healed
    heals = list(log.rows("heal"))
    assert [(row["name"], row["step"], row["seen"]) for row in heals] == [("diverging", 0, 9)] * 2
    rows = log.latest("step")
    assert [row["step"] for row in rows] == list(range(STEPS)) and rows[-1]["loss"] < 0.3 * rows[0]["loss"]
    rate = fresh(lr=1.0).optim.lr
    assert [row["lr"] for row in rows] == [pytest.approx(rate(Step(i, STEPS)) * SHARE**2) for i in range(STEPS)]
    assert all(value.isfinite().all() for value in weights.values())
    assert len(History.kept(folder).remedies) == 2 < TRIES


@pytest.mark.parametrize("kills", [(5, 12, 30), (11, 22)])
def test_a_run_that_heals_and_is_killed_is_the_same_to_the_last_bit(healed, kills, tmp_path):
    _, weights, log = healed
    again, other = to_the_end(tmp_path, kills)
    assert all(torch.equal(again[name], weights[name]) for name in weights)
    assert [row["step"] for row in other.rows("heal")] == [row["step"] for row in log.rows("heal")]


def test_steps_that_are_not_finite_go_back_to_the_save_before_them(tmp_path):
    """With a lower rate all is finite again."""
    made = fresh()
    spoil(made, lambda batch, step: step.index >= 14 and not History.kept(tmp_path).remedies)
    _, log, stop = looked_after(made, tmp_path, "act")
    (remedy,) = log.rows("heal")
    assert stop is None and (remedy["step"], remedy["seen"]) == (12, 18) and "5 steps in a row" in remedy["said"]
    assert [row["step"] for row in log.rows("resume")] == [12]
    rate = fresh().optim.lr
    shares = {row["step"]: row["lr"] / rate(Step(row["step"], STEPS)) for row in log.latest("step")}
    assert list(shares) == list(range(STEPS))
    assert all(share == pytest.approx(SHARE if step >= 12 else 1) for step, share in shares.items())


def test_tries_are_bounded(tmp_path):
    _, log, stop = looked_after(spoil(fresh(), lambda batch, step: step.index >= 6), tmp_path, "act")
    assert len(list(log.rows("heal"))) == TRIES and f"after {TRIES} tries with lower rates" in stop
    assert "with the same words would again" in hopeless(tmp_path, "act")


def test_a_stopped_run_goes_on_once_it_is_to_be_mended(tmp_path):
    _, _, stop = looked_after(spoil(fresh(), lambda batch, step: step.index >= 14), tmp_path)
    assert "run.heal=act" in stop and not list(Log(tmp_path / "log.jsonl", quiet=True).rows("heal"))
    _, log, stop = looked_after(fresh(), tmp_path, "act")
    assert stop is None and [row["step"] for row in log.rows("heal")] == [12] and len(log.latest("step")) == STEPS
    assert complete(tmp_path / "checkpoints")[-1].name.endswith("40") and History.kept(tmp_path).stopped is None


# the whole way


def test_a_run_says_what_is_wrong_everywhere_alike(tmp_path, capsys):
    """In the live log, health.json, verdict, report and card; and what it is told by words changes no run."""
    np.save(tmp_path / "x.npy", np.full((40, 8, 8), 7, np.uint8))
    words = {
        "recipe": "mae",
        "steps": 6,
        "size": "XS",
        "data.batch": 8,
        "run.device": "cpu",
        "run.out": str(tmp_path / "a"),
    }
    run = hs.pretrain(str(tmp_path / "x.npy"), log=Log(), **words)
    assert run.verdict.startswith("constant data: the 40 samples that were looked at are all the same")
    said = capsys.readouterr().out
    assert "sign      constant data: the 40 samples" in said and f"health    {run.verdict}" in said
    kept = json.loads((tmp_path / "a" / "health.json").read_text())
    assert kept["verdict"] == run.verdict and kept["signs"][0]["name"] == "constant data"
    assert run.verdict in (tmp_path / "a" / "README.md").read_text()
    assert run.verdict in html.unescape((tmp_path / "a" / "report.html").read_text())
    again = hs.pretrain(str(tmp_path / "x.npy"), log=Log(quiet=True), **words, **{"run.heal": "off"})
    assert again.verdict == run.verdict


def test_a_run_that_is_not_finite_ends_with_a_status(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (40, 8, 8), np.uint8))
    real = Objective.forward
    monkeypatch.setattr(
        Objective, "forward", lambda self, batch, step: Loss(real(self, batch, step).total * math.nan, {})
    )
    command = [
        "pretrain",
        str(tmp_path / "x.npy"),
        "recipe=mae",
        "steps=30",
        "size=XS",
        "data.batch=8",
        "run.device=cpu",
    ]
    for said in ("training stopped at step 4: the loss was not finite", "with the same words would again"):
        ended = CliRunner().invoke(app, [*command, f"run.out={tmp_path / 'a'}"])
        assert ended.exit_code == 1 and said in ended.stderr
        assert "5 of 5 steps were left out" in json.loads((tmp_path / "a" / "health.json").read_text())["verdict"]


def test_words_of_care():
    assert Care(log="tensorboard, wandb,tensorboard").sinks == ["tensorboard", "wandb"]
    for wrong in ({"heal": "yes"}, {"log": "tensorbord"}):
        with pytest.raises(Mistake, match=f"run.{next(iter(wrong))}="):
            Care(**wrong)
