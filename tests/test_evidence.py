"""The ledger is current, and the machinery of claims does what it says."""

import ast
import json
import math
from types import SimpleNamespace

import pytest
from evidence import closure, ledger, papers, running
from evidence.__main__ import main
from evidence.claim import TRAINING, Claim, Figure, Measured, over_seeds
from evidence.lab import Trial, data_of, pictures
from evidence.records import records

from headstart.shelf.find import find, ideas, names

SAY = "python -m evidence run --changed; python -m evidence papers"

# the real ledger


def test_every_recipe_of_a_paper_has_a_check():
    papers_ = {record.slug for record in records()}
    owed = {slug for slug in map(ledger.slug_of, names()) if slug in papers_}
    assert not owed - set(ledger.checks()), "write evidence/<name>.py with check(trial)"


def test_records():
    listed = records()
    assert len(listed) == len({r.slug for r in listed}) == len({r.id for r in listed}) == 264
    assert [r.slug for r in listed] == sorted(r.slug for r in listed) and all(r.family and r.title for r in listed)


@pytest.mark.parametrize("slug", ledger.checks())
def test_every_row_is_there_and_current(slug):
    assert slug in list(ledger.rows()), f"{slug} was never measured: {SAY}"
    assert not ledger.stale(slug), f"what {slug} rests on changed since it was measured: {SAY}"


def test_rows_say_what_they_measured():
    rows = ledger.rows()
    assert rows and list(rows) == sorted(rows) and set(rows) <= set(ledger.checks())
    for slug, row in rows.items():
        claim = ledger.claim_of(row)
        assert row["verdict"] == claim.verdict != "DOES NOT HOLD" and row["seconds"] > 0, slug
        assert claim.ideas == tuple(ideas(find(ledger.name_of(slug)))), slug
        assert not claim.missed and not claim.idle, slug
        for figure in claim.figures:
            assert set(figure.without) <= {*claim.ideas, TRAINING}, f"{slug}: {figure.what}"


def test_the_page_is_current():
    assert ledger.recipes() == names()
    page = papers.page()
    assert papers.PAGE.read_text(encoding="utf-8") == page, f"docs/papers.md is not current: {SAY}"
    assert papers.CARDS.read_text(encoding="utf-8") == papers.cards(), f"the cards are not current: {SAY}"
    assert sum(line.startswith("| ") for line in page.splitlines()) == 264 + 2 * page.count("\n## ")
    assert "`headstart pretrain DATA recipe=gmml`" in page


# figures and claims


def test_figures():
    with pytest.raises(ValueError, match="no bound"):
        Figure("x", 1)
    both = Measured("x", 0.5, above=0.1, below=1, without={"a": 1.0, "b": 0.2, "c": math.nan})
    assert both.holds and both.broken_by == ("a", "c") and both.bound == "above 0.1 and below 1"
    assert not Measured("x", 0.5, above=0.5).holds and not Measured("x", math.nan, below=0).holds
    assert str(both) == "x: 0.5 (above 0.1 and below 1; without a 1; without c nan)"
    assert str(Measured("gain", 0.5, above=0.25, said="of digits")) == "gain: 0.5 (above 0.25; of digits)"


def test_the_worst_with_and_the_best_without():
    def seeds(*values, **bound):
        return [[Figure("x", value, **bound)] for value in values]

    (low,) = over_seeds(seeds(0.7, 0.6, 0.9, above=0.5), {"a": seeds(0.4, 0.1, 0.55, above=0.5), "b": [[], [], []]})
    assert low.worst == 0.6 and low.without == {"a": 0.55} and not low.broken_by  # one of three seeds is enough
    (high,) = over_seeds(seeds(0.7, 0.6, below=1), {"a": seeds(1.1, math.nan, below=1)})
    assert high.worst == 0.7 and high.without == {"a": 1.1} and high.broken_by == ("a",)
    (worst,) = over_seeds(seeds(0.7, math.nan, below=1), {})
    assert not worst.holds
    with pytest.raises(ValueError, match="same figures"):
        over_seeds([[Figure("x", 1, above=0)], [Figure("y", 1, above=0)]], {})
    with pytest.raises(ValueError, match="same figures"):
        over_seeds([[Figure("x", 1, above=0), Figure("x", 2, above=0)]], {})


def test_claims():
    good = Measured("x", 1, above=0, without={"a": -1, TRAINING: 1})
    assert Claim((good,), ("a",)).verdict == "holds"
    missed = Claim((good,), ("a", "b"))
    assert missed.missed == ("b",) and not missed.holds and missed.verdict == "DOES NOT HOLD"
    assert Claim((good,), ("a", "b"), {"b": "too small"}).verdict == "holds"
    assert Claim((good,), ("a",), {"a": "too small"}).verdict == "not shown"
    idle = Claim((good, Measured("y", 1, above=0, without={"a": 1})), ("a",))
    assert idle.idle == ("y",) and not idle.holds
    assert not Claim((good, Measured("y", math.nan, above=0, without={"a": -1})), ("a",)).holds
    for figures, declared in (((), ("a",)), ((good,), ())):
        with pytest.raises(ValueError, match="claims nothing"):
            Claim(figures, declared)


# a trial


def module(check, **said):
    return SimpleNamespace(check=check, **said)


def test_each_idea_is_taken_out_and_training_too():
    met = []

    def check(trial):
        made = trial.recipe(data_of(pictures(trial.rng.integers(0, 256, (16, 8, 8)).astype("uint8")), patch=2))
        yield Figure("quick", 1.0, above=0)
        objective = trial.fit(made, 1)
        met.append((trial.seed, dict(trial.without), trial.trains))
        yield Figure("slow", float(next(objective.parameters()).detach().sum()), above=-1e9)

    declared = ideas(find("gmml"))
    claim = running.tried("gmml", module(check, TRAINED=("connected groups",)), (0, 1))
    groups = declared["connected groups"]
    assert met == [(0, {}, True), (1, {}, True), (0, groups, True), (1, groups, True), (0, {}, False), (1, {}, False)]
    quick, slow = claim.figures
    assert set(quick.without) == {*declared, TRAINING} and set(slow.without) == {"connected groups", TRAINING}
    assert claim.ideas == tuple(declared) and not claim.holds and claim.idle == ("quick", "slow")
    only = running.tried("gmml", module(check), (0,), only=[TRAINING])
    assert set(only.figures[0].without) == {TRAINING}
    with pytest.raises(ValueError, match="no idea crumbs: it has connected groups"):
        running.tried("gmml", module(check, TRAINED=("crumbs",)), (0,))


def test_what_ships_is_what_is_measured():
    trial = Trial("gmml")
    data = trial.data(pictures(trial.rng.integers(0, 256, (16, 8, 8)).astype("uint8")), patch=2)
    assert data.batch == trial.shipped["data.batch"]
    trial.fit(trial.recipe(data), 1)
    assert trial.differs == {}
    trial.fit(trial.recipe(data, ratio=0.25), 1, lr=1e-3)
    assert trial.differs == {"ratio": 0.25, "optim.lr": 1e-3}


def test_seeds_are_seeds_of_weights_and_data():
    def first(seed):
        trial = Trial("gmml", seed)
        data = trial.data(pictures(trial.rng.integers(0, 256, (16, 8, 8)).astype("uint8")), patch=2)
        made = trial.recipe(data)
        return (
            float(next(made.objective.parameters()).detach().sum()),
            data.source[0].sum(),
            trial.batch(made)[0].index.tolist(),
        )

    assert first(1) == first(1)
    assert all(a != b for a, b in zip(first(1), first(2), strict=True))


# what a row rests on


def test_a_hash_follows_what_is_reached():
    found = closure.reached(
        [("evidence.gmml", "check"), ("headstart.recipes.gmml", "gmml"), ("headstart.recipes.gmml", "IDEAS")]
    )
    for place in (
        ("headstart.corrupt", "groups"),
        ("headstart.corrupt", "random"),  # only what takes an idea out names it
        ("headstart.objective", "Objective"),
        ("headstart.tokenizers.image", "ImageTokenizer"),  # found by the name of its kind
        ("headstart.tokenizers.image", "ImageTokenizer.many"),
        ("headstart.nn.encoder", "Encoder.forward"),  # called by torch
        ("headstart.train", "train"),
        ("evidence.looks", "beside_hidden"),
        ("evidence.lab", "Trial"),
    ):
        assert place in found, place
    others = {("headstart.corrupt", "tube"), ("headstart.tokenizers.video", "VideoTokenizer"), ("headstart.log", "Log")}
    others |= {("headstart.tokenizers.image", "ImageTokenizer.aligned")}  # a method that nobody here names
    assert not others & set(found)
    assert not [
        place
        for place in found
        if place[0].startswith(("headstart.data.readers", "headstart.verbs", "headstart.running"))
    ]


# the machinery, on a desk of its own

CHECK = '''"""Says {what}."""

from evidence.claim import Figure


def check(trial):
    """A comment for people."""
    yield Figure("gain", {value} if not trial.without else 0.1, above=0.5)  # so it is
'''
RECIPE = '''IDEAS = {"halving": {"ratio": 1.0}}


def good_one(data, ratio=0.5):
    """Half of it."""
    return [data, ratio]
'''


PARTS = """SCALE = 2


def half(x):
    return deep(x) / SCALE


def deep(x):
    return x


def unused():
    return 1
"""


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with a check that holds, one that does not, and one that raises."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "good_one.py").write_text(RECIPE)
    (tmp_path / "good_one.py").write_text(CHECK.format(what="yes", value=0.75))
    (tmp_path / "poor.py").write_text(CHECK.format(what="no", value=0.25))
    (tmp_path / "broken.py").write_text("\ndef check(trial):\n    raise KeyError('nothing\\nhere')\n")
    (tmp_path / "helpers.py").write_text("def helper(): ...\n")
    listed = [
        {"slug": slug, "id": i, "title": "A | B", "family": "objectives-x", "role": [], "modality": ["image", "text"]}
        for i, slug in enumerate(("good-one", "later", "poor"))
    ]
    (tmp_path / "records.json").write_text(json.dumps(listed))
    monkeypatch.setattr(ledger, "HOME", tmp_path)
    monkeypatch.setattr(ledger, "RECIPES", tmp_path / "recipes")
    monkeypatch.setattr(papers, "PAGE", tmp_path / "papers.md")
    monkeypatch.setattr(papers, "CARDS", tmp_path / "evidence.json")
    monkeypatch.setitem(closure.ROOTS, "evidence", tmp_path)
    monkeypatch.setitem(closure.ROOTS, "headstart", tmp_path)
    monkeypatch.setattr(running, "apart", running.measured)
    monkeypatch.setattr(running, "find", lambda name: name)
    monkeypatch.setattr(running, "ideas", lambda name: {"halving": {"ratio": 1.0}})
    return tmp_path


def test_a_run_writes_what_it_measured(desk, capsys):
    assert ledger.checks() == ["broken", "good-one", "poor"] and ledger.rows() == {}
    assert main(["run", "good-one", "--pilot"]) == 0 and ledger.rows() == {}
    assert main(["run", "good-one"]) == 0
    row = ledger.rows()["good-one"]
    assert row["verdict"] == "holds" and row["ideas"] == ["halving"] and row["figures"] == [
        {"what": "gain", "worst": 0.75, "above": 0.5, "without": {"halving": 0.1, "training": 0.75}}
    ]  # fmt: skip
    assert len(row["hash"]) == 16 and {"seconds", "headstart", "torch", "python", "date"} <= set(row)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("good-one: holds") and said[1] == "  ok  gain: 0.75 (above 0.5)"
    assert said[2].split() == ["breaks", "without", "halving:", "0.1"]
    assert said[-1] == "1 of 1 claims hold" and not list(desk.glob("*.part"))


def test_what_fails_does_not_stop_the_others(desk, capsys):
    assert main(["run", "--all", "--jobs", "1"]) == 1
    said = capsys.readouterr().out
    assert "broken: raised KeyError: 'nothing\\nhere' (line 3 of broken.py)\n" in said
    assert "poor: DOES NOT HOLD" in said and "good-one: holds" in said and "1 of 3 claims hold, 1 raised" in said
    rows = ledger.rows()
    assert list(rows) == ["good-one", "poor"] and rows["poor"]["verdict"] == "DOES NOT HOLD"
    assert main(["run", "poor"]) == 1 and main(["run", "broken"]) == 1


def test_only_what_changed(desk, capsys):
    main(["run", "good-one", "poor"])
    (desk / "broken.py").unlink()
    assert main(["run", "--changed"]) == 0 and "nothing to run" in capsys.readouterr().out
    (desk / "recipes" / "good_one.py").write_text(RECIPE.replace("0.5", "0.6"))
    assert main(["run", "--changed"]) == 0 and capsys.readouterr().out.endswith("1 of 1 claims hold\n")


def test_hashes_follow_the_code_alone(desk):
    recipe, check, part = desk / "recipes" / "good_one.py", desk / "good_one.py", desk / "parts.py"
    part.write_text(PARTS)
    recipe.write_text(RECIPE.replace("return [data, ratio]", "return [data, parts.half(ratio), inner(1)]"))
    recipe.write_text("from .. import parts\nfrom ..parts import deep as inner\n" + recipe.read_text())
    first = ledger.hash_of("good-one")
    recipe.write_text('"""New words."""\n' + recipe.read_text().replace("Half of it.", "Other.") + "\n\nother = 3\n")
    check.write_text(check.read_text().replace("for people", "for all").replace("so it is", "why"))
    part.write_text(part.read_text().replace("return 1", "return 2"))
    assert ledger.hash_of("good-one") == first
    changes = (
        (recipe, "0.5", "0.51"),
        (recipe, "1.0", "2.0"),
        (check, "above=0.5", "above=0.4"),
        (check, "gain", "loss"),
    )
    for path, old, new in (*changes, (part, "SCALE = 2", "SCALE = 3"), (part, "return x", "return -x")):
        text = path.read_text()
        path.write_text(text.replace(old, new))
        assert ledger.hash_of("good-one") != first, (path.name, old)
        path.write_text(text)
    assert ledger.hash_of("good-one") == first
    recipe.write_text("SMALL = {'ratio': 0.3}\n" + recipe.read_text())  # what ships is what is measured
    assert ledger.hash_of("good-one") != first
    recipe.write_text("def good(:")
    assert len(ledger.hash_of("good-one")) == 16
    assert closure.plain(ast.parse("f(None)")) != closure.plain(ast.parse("f()"))


def test_mistakes_are_sentences(desk, capsys):
    for words, said in (
        (["run", "god-one"], "no paper 'god-one' here; did you mean good-one"),
        (["run", "later"], "later has no check yet: write evidence/later.py"),
        (["run"], "run SLUG..., run --all, or run --changed"),
        (["run", "poor", "--jobs", "0"], "--jobs 0: at least one"),
        (["index", str(desk)], "holds no *.yaml"),
    ):
        assert main(words) == 2
        assert said in (got := capsys.readouterr().err) and got.count("\n") == 1
    for words, code in ((["--help"], 0), (["ru"], 2), ([], 2)):
        with pytest.raises(SystemExit) as out:
            main(words)
        assert out.value.code == code
    assert ledger.rows() == {}


def test_the_page(desk):
    main(["run", "good-one", "poor"])
    assert main(["papers"]) == 0
    rows = [
        line.split(" | ") for line in (desk / "papers.md").read_text(encoding="utf-8").splitlines() if "A \\|" in line
    ]
    assert [row[0] for row in rows] == ["| good-one", "| later", "| poor"]
    assert [row[-2] for row in rows] == ["`headstart pretrain DATA recipe=good_one`", "not yet", "not yet"]
    assert [row[-1] for row in rows] == [
        "gain: 0.75 (above 0.5; without halving 0.1); holds |",
        "– |",
        "gain: 0.25 (above 0.5; without halving 0.1; without training 0.25); DOES NOT HOLD |",
    ]


def test_a_process_of_its_own(desk, monkeypatch):
    monkeypatch.undo()
    (desk / "mae.py").write_text("import os\n\ndef check(trial): os._exit(3)\n")
    (desk / "gmml.py").write_text(CHECK.format(what="yes", value=0.75))
    claim, seconds = running.apart(desk / "gmml.py", (0,))
    assert isinstance(claim, Claim) and claim.holds and seconds >= 0
    assert "died" in running.apart(desk / "mae.py")[0]
    assert running.measured(desk / "helpers.py")[0].startswith("AttributeError")


def test_records_come_from_yaml(desk, tmp_path):
    pytest.importorskip("yaml")
    (tmp_path / "tasks.yaml").write_text("- {slug: b, id: 1, title: B, role: [x], modality: [text]}\n")
    (tmp_path / "more.yaml").write_text("- {slug: a, id: 2, title: A, role: [x], modality: [any], idea: more}\n")
    assert main(["index", str(tmp_path)]) == 0
    assert [(r.slug, r.family, r.modality) for r in records()] == [("a", "more", ("any",)), ("b", "tasks", ("text",))]
    (tmp_path / "more.yaml").write_text("- {slug: b, id: 2, title: A, role: [x], modality: [any]}\n")
    assert main(["index", str(tmp_path)]) == 2


def test_the_matrix_is_written(tmp_path, monkeypatch):
    from evidence import matrix

    from headstart.shelf.measured import matrix as kept

    monkeypatch.setattr(matrix, "FILE", tmp_path / "matrix.json")
    monkeypatch.setattr(matrix, "TURNS", 4)
    assert main(["matrix", "gpt-series", "astrom3"]) == 0
    found = json.loads((tmp_path / "matrix.json").read_text())
    assert list(found) == ["astrom3", "gpt_series"]
    for name, row in found.items():
        assert row["kinds"] == kept()[name]["kinds"] and row["meaningless"] == kept()[name]["meaningless"]
    assert found["gpt_series"]["cost"]["beside"] > 0 and found["astrom3"]["cost"]["beside"] is None
    assert main(["matrix", "nothing"]) == 2
