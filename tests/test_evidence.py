"""The ledger is current, and the machinery of claims does what it says."""

import ast
import json
import math

import pytest
from evidence import ledger, papers, running
from evidence.__main__ import main
from evidence.claim import Claim, Figure
from evidence.records import records

from headstart.shelf.find import names

SAY = "python -m evidence run --stale; python -m evidence papers"

# the real ledger


def owed() -> list[str]:
    """Slugs that must have a row: recipes that answer to a paper, and whatever has a check."""
    papers_ = {record.slug for record in records()}
    return sorted({s for s in map(ledger.slug_of, names()) if s in papers_} | set(ledger.checks()))


def test_records():
    listed = records()
    assert len(listed) == len({r.slug for r in listed}) == len({r.id for r in listed}) == 264
    assert [r.slug for r in listed] == sorted(r.slug for r in listed) and all(r.family and r.title for r in listed)


@pytest.mark.parametrize("slug", owed())
def test_every_row_is_there_and_current(slug):
    assert ledger.check_of(slug).exists(), f"recipe {slug} has no check: write evidence/{ledger.name_of(slug)}.py"
    assert slug in list(ledger.rows()), f"{slug} was never measured: {SAY}"
    assert not ledger.stale(slug), f"the code of {slug} changed since it was measured: {SAY}"


def test_rows_agree_with_their_figures():
    rows = ledger.rows()
    assert rows and list(rows) == sorted(rows) and set(rows) <= set(ledger.checks())
    for row in rows.values():
        assert [f["holds"] for f in row["figures"]] == [f.holds for f in ledger.figures(row)]
        assert row["holds"] and Claim(ledger.figures(row)).telling
        assert row["holds"] == Claim(ledger.figures(row)).holds and row["seconds"] > 0


def test_the_page_is_current():
    assert ledger.recipes() == names()
    page = papers.page()
    assert papers.PAGE.read_text(encoding="utf-8") == page, f"docs/papers.md is not current: {SAY}"
    assert papers.CARDS.read_text(encoding="utf-8") == papers.cards(), f"the cards are not current: {SAY}"
    assert sum(line.startswith("| ") for line in page.splitlines()) == 264 + 2 * page.count("\n## ")
    assert "`headstart pretrain DATA recipe=gmml`" in page


# figures and claims


def test_figures():
    both = Figure("x", 0.5, above=0.1, below=1)
    assert both.holds and not Figure("x", 0.5, above=0.5).holds and not Figure("x", 2, above=0.1, below=1).holds
    assert not Figure("x", math.nan, above=0).holds and not Figure("x", math.nan, below=0).holds
    assert Figure("x", 0.5, above=0.3, baseline=0.2).telling and not Figure("x", 0.5, above=0.3, baseline=0.4).telling
    assert Figure("x", 0.5, above=0.3, baseline=math.nan).telling and not both.telling
    assert str(Figure("gain", 0.5, above=0.25, baseline=0.125, said="untrained")) == (
        "gain: 0.5 (above 0.25; baseline 0.125, untrained)"
    )
    assert str(both) == "x: 0.5 (above 0.1 and below 1)"
    with pytest.raises(ValueError, match="no bound"):
        Figure("x", 1)


def test_claims():
    good, bad = Figure("x", 1, above=0, baseline=0), Figure("y", math.nan, above=0)
    assert Claim((good,)).holds and not Claim((good, bad)).holds
    assert Claim((good, bad)).telling and not Claim((bad,)).telling
    with pytest.raises(ValueError, match="claims nothing"):
        Claim(())


# the machinery, on a desk of its own

CHECK = '''"""Says {what}."""

from evidence.claim import Claim, Figure


def check():
    """A comment for people."""
    return Claim((Figure("gain", {value}, above=0.5, baseline=0.1),))  # so it is
'''
RECIPE = 'def good(data, ratio=0.5):\n    """Half of it."""\n    return [data, ratio]\n'


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with a check that holds, one that does not, and one that raises."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "good_one.py").write_text(RECIPE)
    (tmp_path / "good_one.py").write_text(CHECK.format(what="yes", value=0.75))
    (tmp_path / "poor.py").write_text(CHECK.format(what="no", value=0.25))
    (tmp_path / "broken.py").write_text("\ndef check():\n    raise KeyError('nothing\\nhere')\n")
    (tmp_path / "lab.py").write_text("def helper(): ...\n")
    listed = [
        {"slug": slug, "id": i, "title": "A | B", "family": "objectives-x", "role": [], "modality": ["image", "text"]}
        for i, slug in enumerate(("good-one", "later", "poor"))
    ]
    (tmp_path / "records.json").write_text(json.dumps(listed))
    monkeypatch.setattr(ledger, "HOME", tmp_path)
    monkeypatch.setattr(ledger, "RECIPES", tmp_path / "recipes")
    monkeypatch.setattr(papers, "PAGE", tmp_path / "papers.md")
    monkeypatch.setattr(papers, "CARDS", tmp_path / "evidence.json")
    monkeypatch.setattr(running, "apart", running.measured)
    return tmp_path


def test_a_run_writes_what_it_measured(desk, capsys):
    assert ledger.checks() == ["broken", "good-one", "poor"] and ledger.rows() == {}
    assert main(["run", "good-one"]) == 0
    row = ledger.rows()["good-one"]
    assert row["holds"] and row["figures"] == [
        {"what": "gain", "value": 0.75, "above": 0.5, "baseline": 0.1, "holds": True}
    ]
    assert len(row["hash"]) == 16 and {"seconds", "headstart", "torch", "python", "date"} <= set(row)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("good-one: holds") and said[1] == "  ok  gain: 0.75 (above 0.5; baseline 0.1)"
    assert said[-1] == "1 of 1 claims hold" and not list(desk.glob("*.part"))


def test_what_fails_does_not_stop_the_others(desk, capsys):
    assert main(["run", "--all", "--jobs", "1"]) == 1
    said = capsys.readouterr().out
    assert "broken: raised KeyError: 'nothing\\nhere' (line 3 of broken.py)\n" in said
    assert "poor: DOES NOT HOLD" in said and "good-one: holds" in said and "1 of 3 claims hold, 1 raised" in said
    rows = ledger.rows()
    assert list(rows) == ["good-one", "poor"] and not rows["poor"]["holds"] and not rows["poor"]["figures"][0]["holds"]
    assert main(["run", "poor"]) == 1 and main(["run", "broken"]) == 1


def test_only_what_is_stale(desk, capsys):
    main(["run", "good-one", "poor"])
    (desk / "broken.py").unlink()
    assert main(["run", "--stale"]) == 0 and "nothing to run" in capsys.readouterr().out
    (desk / "recipes" / "good_one.py").write_text(RECIPE.replace("0.5", "0.6"))
    assert main(["run", "--stale"]) == 0 and capsys.readouterr().out.endswith("1 of 1 claims hold\n")


def test_hashes_follow_the_code_alone(desk):
    recipe, check = desk / "recipes" / "good_one.py", desk / "good_one.py"
    first = ledger.hash_of("good-one")
    recipe.write_text(
        '"""New words."""\n\n\n# a reason\ndef good(data, ratio=0.5):\n    "Other."\n    return [\n data, ratio]\n'
    )
    recipe.write_text('SMALL = {"ratio": 0.3}\n' + recipe.read_text())  # for pretrain alone: no check reads it
    check.write_text(check.read_text().replace("for people", "for all").replace("so it is", "why"))
    assert ledger.hash_of("good-one") == first
    for path, old, new in ((recipe, "0.5", "0.51"), (check, "above=0.5", "above=0.4"), (check, "gain", "loss")):
        text = path.read_text()
        path.write_text(text.replace(old, new))
        assert ledger.hash_of("good-one") != first
        path.write_text(text)
    assert ledger.hash_of("good-one") == first
    recipe.unlink()
    assert ledger.hash_of("good-one") != first
    recipe.write_text("def good(:")
    assert len(ledger.hash_of("good-one")) == 16
    assert ledger.plain(ast.parse("f(None)")) != ledger.plain(ast.parse("f()"))


def test_mistakes_are_sentences(desk, capsys):
    for words, said in (
        (["run", "god-one"], "no paper 'god-one' here; did you mean good-one"),
        (["run", "later"], "later has no check yet: write evidence/later.py"),
        (["run"], "run SLUG..., run --all, or run --stale"),
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
        "gain: 0.75 (above 0.5; baseline 0.1); holds |",
        "– |",
        "gain: 0.25 (above 0.5; baseline 0.1); DOES NOT HOLD |",
    ]


def test_a_process_of_its_own(desk, monkeypatch):
    monkeypatch.undo()
    (desk / "alone.py").write_text("import os\n\ndef check(): os._exit(3)\n")
    claim, seconds = running.apart(desk / "good_one.py")
    assert isinstance(claim, Claim) and claim.holds and seconds >= 0
    assert "died" in running.apart(desk / "alone.py")[0]
    assert running.measured(desk / "lab.py")[0].startswith("AttributeError")


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
