"""Rows of the ledger whose code was rebuilt: kept where every figure is the same, and only there."""

from pathlib import Path

import pytest
from evidence import lab, ledger, renewal, running


@pytest.fixture
def kept(monkeypatch):
    """A ledger of one row, and what is written into it."""
    rows = {"gmml": {"hash": "old", "figures": []}}
    monkeypatch.setattr(ledger, "rows", lambda: rows)
    monkeypatch.setattr(ledger, "write", lambda slug, row: rows.__setitem__(slug, row))
    return rows


def trees(monkeypatch, before, here):
    """(hash, figures) in the tree of the measurement and in this one."""
    monkeypatch.setattr(renewal, "told", lambda tree, slug: before if tree == Path("before") else here)


def test_the_same_figures_keep_a_row(kept, monkeypatch, capsys):
    figures = [{"what": "error", "worst": "0.25", "training": "0.75"}]
    trees(monkeypatch, ("old", figures), ("new", list(figures)))
    assert renewal.renew(["gmml"], Path("before")) == 0
    assert kept["gmml"]["hash"] == "new" and "after 8 steps" in kept["gmml"]["renewed"]
    assert "1 figures are the same to the last bit" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "here", "said"),
    [
        (("old", [{"worst": "0.25"}]), ("new", [{"worst": "0.2500001"}]), "differs: {'worst': '0.25'} became"),
        (("old", [{"worst": "0.25"}]), ("new", [{"worst": "0.25"}, {"worst": "1"}]), "differs"),
        (("old", [{"raised": "no"}]), ("new", [{"raised": "no"}]), "differs"),
        (
            ("other", [{"worst": "0.25"}]),
            ("new", [{"worst": "0.25"}]),
            "is not the code that the row was measured with",
        ),
    ],
)
def test_any_other_row_stays_stale(kept, monkeypatch, capsys, before, here, said):
    trees(monkeypatch, before, here)
    assert renewal.renew(["gmml"], Path("before")) == 1
    assert kept["gmml"]["hash"] == "old" and said in capsys.readouterr().out


def test_trainings_are_cut_to_a_few_steps_and_seeds_are_others_than_those_reported(monkeypatch):
    asked = []

    def measured(path, seeds):
        lab.fit("recipe", 500, seed=3)
        lab.fit("recipe", steps=2)
        asked.append(seeds)
        return "stopped here", 0.0

    monkeypatch.setattr(lab, "fit", lambda recipe, steps, **named: asked.append(steps))
    monkeypatch.setattr(running, "measured", measured)
    assert renewal.short("gmml") == [{"raised": "stopped here"}]
    assert asked == [8, 2, (renewal.SEED,)] and renewal.SEED not in running.SEEDS
