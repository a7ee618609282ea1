"""What hangs together is never divided between learning and judging: found by its name, said by a word, or undone."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from headstart.cli import app
from headstart.data.classes import as_column
from headstart.data.groups import decide
from headstart.data.open import open_source
from headstart.data.source import DataError, Source
from headstart.log import Log
from headstart.probes.knn import nearest
from headstart.reading import look, read_in
from headstart.recipe import Input, Run
from headstart.running.material import divided, probing
from headstart.scoring.features import raw
from headstart.tasks.asked import Asked
from headstart.tasks.material import gathered
from headstart.training import device_of
from headstart.verbs.check import check

PATIENTS, ROWS = 40, 6
SMALL = {"steps": 2, "model.width": 16, "model.depth": 1, "model.heads": 2, "data.batch": 32}


def table(path, whom="patient_id", more="", rows=ROWS):
    """A table in which a patient looks alike in all rows, and has one label, drawn by lot: known patients are known labels."""
    rng = np.random.default_rng(0)
    looks, label = rng.normal(size=(PATIENTS, 4)), rng.permutation(np.arange(PATIENTS) % 2)
    lines = [f"{whom},a,b,c,d{more and ',' + more},class"]
    for i in (rng.permutation(PATIENTS * rows) % PATIENTS).tolist():
        cells = [
            f"P{i:03d}",
            *(f"{v:.4f}" for v in looks[i] + 0.01 * rng.normal(size=4)),
            *([f"S{i % 4}"] if more else []),
        ]
        lines.append(",".join([*cells, ("well", "ill")[label[i]]]))
    path.write_text("\n".join(lines) + "\n")
    return path


def judged(source: Source) -> float:
    """How well raw rows are told by their nearest, by the very split that probes are given."""
    source, tokenizer, given, _ = look(source, Input(), device_of(Run(device="cpu")))
    data = probing(None, read_in(source, tokenizer, given.window), tokenizer)
    split = data.split(lambda of, at: raw(tokenizer, of, at))
    for turns in split.rounds if split.groups is not None else ():
        assert all(not set(split.groups[learn]) & set(split.groups[judge]) for learn, judge in turns)
    return next(split.judged("nearest", nearest))[1].value


def test_a_patient_never_teaches_and_judges(tmp_path):
    path = table(tmp_path / "visits.csv")
    found, undone = open_source(path), open_source(path, group="none")
    assert judged(found) < 0.7 and judged(undone) > 0.95  # chance, and a leak
    assert "patient_id" not in found[0] and "patient_id" in undone[0]
    assert len(set(found.groups)) == PATIENTS and undone.groups is None
    assert "column patient_id, by its name" in found.describe() and "data.group=, none undoes it" in found.describe()
    assert "groups" not in undone.describe()


def test_who_is_tuned_and_who_chooses(tmp_path):
    source = open_source(table(tmp_path / "visits.csv", "batch"), group="Batch")
    source, tokenizer, given, _ = look(source, Input(), device_of(Run(device="cpu")))
    material = gathered(read_in(source, tokenizer, given.window), "visits", Asked(), 0)
    groups = source.groups[material.at]
    assert not set(groups[material.rest]) & set(groups[material.held]) and "never divided" in " ".join(material.notes)


@pytest.mark.parametrize(
    "name, taken",
    [
        *(
            (name, True)
            for name in ("patient", "Patient ID", "subject_no", "SpeakerID", "site_id", "userid", "person_id")
        ),
        *((name, False) for name in ("site", "user", "patients", "patient_age", "id", "group", "number")),
    ],
)
def test_plain_names(name, taken):
    columns = {name: [f"x{i // 3}" for i in range(30)], "a": [str(i) for i in range(30)]}
    found = decide(list(columns), lambda c: as_column(c, columns[c]), "t")
    assert found.name == (name if taken else None)


def test_the_person_comes_before_the_place_and_the_session(tmp_path):
    source = open_source(table(tmp_path / "visits.csv", "patient", "site_id"))
    assert len(set(source.groups)) == PATIENTS and "site_id" in source[0]
    assert "though column site_id may be meant" in source.describe()
    source = open_source(tmp_path / "visits.csv", group="site_id")
    assert len(set(source.groups)) == 4 and "site_id" not in source[0] and "patient" in source[0]


def test_names_that_are_none_and_groups_that_say_nothing(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("patient_id,shop,a,y\n" + "".join(f"p{i},s,{i % 7}.5,{i % 2}\n" for i in range(30)))
    found = open_source(path)  # each has a row of its own: an identifier
    assert found.groups is None and "groups: not by column patient_id: each sample has its own" in found.describe()
    assert "each sample has its own" in open_source(path, group="patient_id").describe()
    one = open_source(path, group="shop")
    assert one.groups is None and "all samples are of one" in one.describe()
    with pytest.raises(DataError, match="no column 'patient': did you mean 'patient_id'"):
        open_source(path, group="patient")
    with pytest.raises(DataError, match="column y of a is taken for the label, too"):
        open_source(path, group="y")
    with pytest.raises(DataError, match=r"there is no file lost\.csv"):
        open_source(path, group="lost.csv:patient")


def test_missing_cells_stand_alone_and_a_column_in_a_file_may_be_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "patient,a,y\n" + "".join(f"{'p' + str(i // 10) if i % 10 else ''},{i}.5,{i % 2}\n" for i in range(30))
    )
    groups = open_source(path).groups
    assert len(set(groups)) == 6 and groups[0] != groups[1] == groups[9] and groups[0] != groups[10]
    (tmp_path / "whose.csv").write_text("clinic\n" + "".join(f"c{i % 3}\n" for i in range(30)))
    source = open_source(path, group=f"{tmp_path / 'whose.csv'}:clinic")
    assert source.groups.tolist() == [i % 3 for i in range(30)] and "patient" in source[0]


def test_parts_of_one_table_and_a_frame(tmp_path):
    table(tmp_path / "train.csv")
    table(tmp_path / "test.csv")
    source = open_source(tmp_path)
    assert len(source) == 2 * PATIENTS * ROWS and len(set(source.groups)) == PATIENTS  # the same in both
    assert "patient_id" not in source[0] and "never divided" in source.describe()
    assert open_source(tmp_path, group="none").groups is None

    class Frame:
        columns = ("speaker", "a", "class")

        def to_dicts(self):
            return [{"speaker": f"s{i // 5}", "a": float(i), "class": i % 2} for i in range(40)]

    frame = open_source(Frame())
    assert len(set(frame.groups)) == 8 and set(frame[0]) == {"a"} and "column speaker, by its name" in frame.describe()
    assert open_source(Frame(), group="none").groups is None


def pictures(folder, beside=True):
    for i in range(24):
        place = folder / ("north", "south", "west")[i % 3]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(place / f"{i}.png")
    if beside:
        rows = [f"{('north', 'south', 'west')[i % 3]}/{i}.png,{'ab'[i % 2]},p{i // 4}" for i in range(24)]
        (folder / "labels.csv").write_text("file,label,patient\n" + "\n".join(rows) + "\n")
    return folder


def test_columns_beside_files_and_their_folders(tmp_path):
    where = pictures(tmp_path / "scans")
    source = open_source(where)
    number = {source.name(i): g for i, g in enumerate(source.groups)}
    assert len(set(source.groups)) == 6 and number["north/0.png"] == number["west/2.png"] != number["south/4.png"]
    assert "groups: column patient of labels.csv, by its name" in source.describe()
    assert open_source(where, group="none").groups is None
    folders = open_source(where, group="folders")
    assert len(set(folders.groups)) == 3 and "the folder of each, as asked" in folders.describe()
    assert open_source(where, group="labels.csv:patient").groups.tolist() == source.groups.tolist()
    with pytest.raises(DataError, match="no column 'patent': did you mean 'patient'"):
        open_source(where, group="patent")
    with pytest.raises(DataError, match="names a column, and no table beside the files lists them"):
        open_source(pictures(tmp_path / "bare", beside=False), group="patient")


def test_arrays_beside_arrays(tmp_path):
    x, whose = np.zeros((30, 8, 8), np.uint8), np.arange(30) // 5
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(30) % 2, patient=whose, ward=np.arange(30) % 3)
    source = open_source(tmp_path / "a.npz")
    assert source.groups.tolist() == whose.tolist() and "array patient, by its name" in source.describe()
    assert open_source(tmp_path / "a.npz", group="none").groups is None
    assert len(set(open_source(tmp_path / "a.npz", group="ward").groups)) == 3
    with pytest.raises(DataError, match="no array 'wards': did you mean 'ward'"):
        open_source(tmp_path / "a.npz", group="wards")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "speaker.npy", whose)
    assert open_source(tmp_path / "x.npy").groups.tolist() == whose.tolist()
    with pytest.raises(DataError, match=r"names a column, and list.* has none: give a table"):
        open_source([np.zeros(8)] * 4, "series", group="patient")


def test_on_the_command_line(tmp_path):
    """Pre-training asks for the site, and what judges later keeps to it by itself."""
    path = table(tmp_path / "visits.csv", "patient", "site_id", rows=2)

    def said(*words):
        done = CliRunner().invoke(app, [*map(str, words)])
        assert done.exit_code == 0, done.output
        return done.output

    words = [f"{name}={value}" for name, value in SMALL.items()]
    assert "groups: column site_id, as asked, 4 groups of 80 samples in all" in said(
        "pretrain", path, "data.group=site_id", "run.out=runs/a", *words
    )
    assert json.loads(Path("runs/a/encoder.json").read_text())["input"]["group"] == "site_id"
    assert "column site_id, as asked" in said("probe", "runs/a", path)
    assert "column patient, as asked, 40 groups of" in said("probe", "runs/a", path, "data.group=patient")
    assert "column patient, as asked" in said(
        "finetune", "runs/a", path, "data.group=patient", "steps=2", "lr=1e-3", "run.out=runs/b"
    )
    assert "embedded" in said("embed", "runs/a", path, "data.group=none")
    for verb in ("probe", "compare", "predict", "outliers"):
        wrong = CliRunner().invoke(
            app, [verb, "runs/b" if verb == "predict" else "runs/a", str(path), "data.group=patent"]
        )
        assert wrong.exit_code == 2 and "did you mean 'patient'" in wrong.output


def test_pairs_that_judge_are_of_others_than_those_that_teach(tmp_path):
    for i in range(40):
        place = tmp_path / f"p{i // 4}"
        place.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), i, np.uint8)).save(place / f"{i}.png")
        (place / f"{i}.txt").write_text(f"level {i} of them")
    source = open_source(tmp_path, "pair", group="folders")
    source, tokenizer, given, _ = look(source, Input(held=0.3), device_of(Run(device="cpu")))
    made = divided(None, read_in(source, tokenizer, given.window), tokenizer, given, Run())
    assert len(made.held) == 12 and len(made.training) == 28
    held, rest = made.everything.groups[made.held], made.training.groups
    assert not set(held) & set(rest) and len(set(held)) == 3


def test_empty_cells_are_no_patients(tmp_path):
    lines = [f"{i % 7},{i},{'' if i % 3 else 'p' + str(i // 12)}" for i in range(120)]
    (tmp_path / "gaps.csv").write_text("a,b,patient\n" + "\n".join(lines) + "\n")
    source = open_source(tmp_path / "gaps.csv")
    assert "groups: column patient" in source.describe() and len(np.unique(source.groups)) == 10 + 80


def classed(path, whose, labels):
    """A table of noise, with a patient and a class for each row."""
    noise = np.random.default_rng(0).normal(size=(len(labels), 2))
    lines = [f"{p},{a:.3f},{b:.3f},{c}" for p, (a, b), c in zip(whose, noise, labels, strict=True)]
    path.write_text("patient,a,b,class\n" + "\n".join(lines) + "\n")
    source, tokenizer, given, _ = look(open_source(path), Input(), device_of(Run(device="cpu")))
    return read_in(source, tokenizer, given.window), tokenizer


def test_groups_that_are_the_classes_are_refused_by_all(tmp_path):
    """Each class is that of one patient: whoever judges asks for a class that nobody taught. Refused, and not 0.000."""
    for whose in (
        [f"p{i % 2}" for i in range(80)],
        [f"p{i % 4 * (i % 2)}" for i in range(80)],
    ):  # well: one patient, too
        source, tokenizer = classed(tmp_path / "a.csv", whose, [("well", "ill")[i % 2] for i in range(80)])
        for ask in (
            lambda s=source, t=tokenizer: probing("a.csv", s, t),
            lambda s=source: gathered(s, "a.csv", Asked(), 0),
        ):
            with pytest.raises(DataError, match=r"a\.csv: .*well.* within one group or recording.*data\.group=none"):
                ask()
        made = divided("a.csv", source, tokenizer, Input(), Run())
        assert made.probe is None and "nothing is probed" in made.note and len(made.training) == 80


def test_a_class_of_one_patient_judges_nothing_and_is_named(tmp_path):
    labels = ["rare" if i < 10 else ("well", "ill")[i % 2] for i in range(90)]
    source, tokenizer = classed(tmp_path / "a.csv", [f"p{i // 10}" for i in range(90)], labels)
    data = probing("a.csv", source, tokenizer)
    assert data.note.startswith("1 of 3 classes (rare) lies within one group") and len(data.query_at) == 80
    assert data.note in divided("a.csv", source, tokenizer, Input(), Run()).note
    asked = gathered(source, "a.csv", Asked(), 0)
    assert "rare" in asked.notes[-1] and "rare" not in {asked.task.classes[k] for k in asked.labels[asked.held]}


@pytest.mark.parametrize(
    "cells, said",
    [
        ([f"p{i}" for i in range(40)], "each sample has its own"),
        (["p"] * 40, "all samples are of one"),
        (["p1", "p2", "p3"] + [""] * 37, "37 of 40 samples have no value"),
        (
            [f"p{i // 2 if i < 10 else i}" for i in range(40)],
            "35 values of 40 samples are too many (data.group=patient takes them)",
        ),
    ],
)
def test_a_person_who_is_not_taken_is_mentioned(cells, said):
    columns = {"patient": cells, "a": [str(i) for i in range(40)], "user_id": [f"u{i // 10}" for i in range(40)]}

    def found(*names):
        return decide(names, lambda c: as_column(c, columns[c]), "t")

    assert found("patient", "a").why == f"groups: not by column patient: {said}" and found("patient", "a").name is None
    other = found("patient", "a", "user_id")
    assert other.name == "user_id" and other.why.endswith(f"; groups: not by column patient: {said}")
    alone = found("user_id")
    assert alone.values is None and "nothing would be left to learn from" in alone.why


def test_the_same_sample_in_two_groups_is_a_leak(tmp_path):
    """Rows 0 and 1 are of one patient, row 20 repeats row 0 in another; row 31 repeats row 30 of the same one."""
    rows = [f"p{i // 10},{i}.25,{i * i},{'ab'[i % 2]}" for i in range(60)]
    rows[20], rows[31] = rows[0].replace("p0", "p2"), rows[30]
    (tmp_path / "visits.csv").write_text("\n".join(["patient,a,b,class", *rows]) + "\n")
    found = check(tmp_path / "visits.csv", out=tmp_path / "c.json", log=Log(quiet=True))
    assert found.across == [["visits[0]", "visits[20]"]] and len(found.duplicates) == 2 and found.groups == [10] * 6
    assert any(line.startswith("leaks     1 set") for line in found.lines())
    assert "groups    6: from 10 to 10 samples in each" in "\n".join(found.lines())
    none = check(tmp_path / "visits.csv", out=tmp_path / "c.json", log=Log(quiet=True), group="none")
    assert none.across == [] == none.groups
    words = ["check", str(tmp_path / "visits.csv"), "data.group=patent", f"out={tmp_path / 'c.json'}"]
    assert "did you mean 'patient'" in CliRunner().invoke(app, words).output
