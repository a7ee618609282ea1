"""What of a table is not learnt from."""

import numpy as np
import pytest
import torch
from tests.tuned import SHAPE

import headstart as hs
from headstart.data.open import open_source
from headstart.encoded import Pretrained
from headstart.nn.encoder import encoder, set_dtype
from headstart.scoring.labelled import unlabelled
from headstart.tokenizers.table import TableTokenizer
from headstart.tokenizers.want import Want
from headstart.verbs.finetune import _labelled

CITIES = ("Rome", "Paris", "Oslo")


def table(path, rows=60, more=()):
    names = ["customer_id", "age", "city", "country", "churn", *more]
    lines = [",".join(names)]
    for i in range(rows):
        cells = [f"C{1000 + i}", 20 + i % 50, CITIES[i % 3], "EU", ("no", "yes")[i % 2], *(i % 5 for _ in more)]
        lines.append(",".join(map(str, cells)))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_labels_identifiers_and_constants_are_no_inputs(tmp_path):
    source = open_source(table(tmp_path / "a.csv"))
    assert set(source[0]) == {"age", "city"} and source.classes == ("no", "yes")
    assert source.name(7) == "C1007"
    said = source.describe()
    assert "customer_id names the rows" in said and "country is the same in every row" in said


def test_what_looks_like_a_label_is_kept_out_until_another_is_asked_for(tmp_path):
    path = table(tmp_path / "a.csv", more=("subscribed", "x"))
    source = open_source(path)  # two likely names, neither first nor last: none is taken, and neither is learnt from
    assert (
        source.labels is None
        and not {"churn", "subscribed"} & set(source[0])
        and "looks like a label" in source.describe()
    )
    asked = open_source(path, label="churn")
    assert asked.classes == ("no", "yes") and "subscribed" in asked[0] and "churn" not in asked[0]


@pytest.mark.parametrize(
    "cells, kept",
    [
        ([f"a text of words {i}" for i in range(40)], True),  # says something
        ([1.5 * i for i in range(40)], True),  # measured
        ([i * i for i in range(40)], True),  # whole numbers in a column that is not called an identifier
        ([f"x{i // 2}" for i in range(40)], True),
        ([f"x{i}" for i in range(40)], False),
    ],
)
def test_unlike_in_every_row_is_not_yet_an_identifier(tmp_path, cells, kept):
    path = tmp_path / "a.csv"
    path.write_text("what,age\n" + "".join(f"{c},{20 + i % 7}\n" for i, c in enumerate(cells)))
    assert ("what" in open_source(path)[3]) == kept


def test_a_label_in_one_of_several_tables_is_no_input(tmp_path):
    table(tmp_path / "customers.csv")
    lines = "".join(f"{i},{i % 7}.5,{i % 3}\n" for i in range(40))
    (tmp_path / "visits.csv").write_text("minute,amount,shop\n" + lines)
    source = open_source(tmp_path)
    assert source.labels is None and "churn looks like a label" in source.describe()
    names = set().union(*(source[i] for i in range(len(source))))
    assert names == {"", "age", "city", "minute", "amount", "shop"}


def test_parts_of_one_table(tmp_path):
    table(tmp_path / "train.csv")
    table(tmp_path / "test.csv", rows=30)
    source = open_source(tmp_path)
    assert source.classes == ("no", "yes") and set(source[0]) == set(source[80]) == {"", "age", "city"}


class Frame:
    """A data frame, as far as it is looked at."""

    columns = ("customer_id", "age", "churn")

    def to_dicts(self):
        return [{"customer_id": f"C{i}", "age": 20 + i % 9, "churn": ("no", "yes")[i % 2]} for i in range(40)]


def test_frames_follow_the_same_rule():
    source = open_source(Frame())
    assert set(source[3]) == {"age"} and source.name(3) == "C3" and source.classes == ("no", "yes")
    assert "customer_id names the rows" in source.describe()


def test_large_tables_too_as_far_as_names_say(tmp_path, monkeypatch):
    pa = pytest.importorskip("pyarrow")
    from headstart.data.readers import columnar

    monkeypatch.setattr(columnar, "AT_ONCE", 10)
    rows = {
        "age": range(60),
        "churn": [i % 2 for i in range(60)],
        "subscribed": [i % 2 for i in range(60)],
        "x": range(60),
    }
    columnar.need("pyarrow.parquet", "tables", "").write_table(
        pa.table(rows), tmp_path / "a.parquet", row_group_size=20
    )
    assert set(open_source(tmp_path / "a.parquet")[5]) == {"age", "x"}


def test_few_rows_do_not_tell(tmp_path):
    assert "country" in open_source(table(tmp_path / "a.csv", rows=10))[0]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    where = tmp_path_factory.mktemp("runs")
    hs.pretrain(table(where / "a.csv"), steps=2, **{"run.out": str(where / "table")})
    return where


def exact(run):
    """The encoder in fp32: bf16 rounds otherwise where there are other rows beside."""
    encoder = hs.load(run)
    set_dtype(encoder.module, torch.float32)
    return encoder


def test_a_row_has_one_vector_in_whatever_table_it_stands(encoders, tmp_path):
    encoder = exact(encoders / "table")
    whole = encoder.embed_named(encoders / "a.csv")
    assert whole.names[:2] == ["C1000", "C1001"] and whole.remarks == []
    few = encoder.embed_named(table(tmp_path / "few.csv", rows=5, more=("new",)))
    assert np.allclose(few.z, whole.z[:5], atol=1e-6)
    assert "new" in few.remarks[0] and "does not know and that are left out" in few.remarks[0]


def test_what_is_alike_in_new_rows_is_still_read(encoders, tmp_path):
    """Twenty customers of one city, of one age: a column that the encoder learnt from is no constant to be left out."""
    lines = (encoders / "a.csv").read_text().splitlines()
    rows = [line for line in lines[1:] if ",Rome," in line]
    (tmp_path / "rome.csv").write_text("\n".join([lines[0], *rows]) + "\n")
    encoder = exact(encoders / "table")
    whole, some = encoder.embed_named(encoders / "a.csv"), encoder.embed_named(tmp_path / "rome.csv")
    assert len(rows) == 20 and some.remarks == []
    at = [i for i, line in enumerate(lines[1:]) if ",Rome," in line]
    assert np.allclose(some.z, whole.z[at], atol=1e-6)
    cells = [dict(zip(("customer_id", "age", "city"), line.split(","), strict=False)) for line in rows]
    listed = encoder.embed([{**row, "age": int(row["age"])} for row in cells])
    assert np.allclose(listed, some.z, atol=1e-6)


def written_after(path, rows=80):
    """Who leaves gets a reason and a day of it, most days of their own; who stays has neither. What is paid is paid by both."""
    rng = np.random.default_rng(0)
    lines = ["age,town,reason,left on,paid,euros,dollars,churn"]
    for i in range(rows):
        churn, paid = int(i % 3 == 1), float(rng.integers(10, 99))
        after = (("price", "moved", "service")[i % 4 % 3], f"2024-0{1 + i % 9}-{10 + i % 19}") if churn else ("", "")
        lines.append(
            f"{20 + i % 7},{CITIES[i % 2]},{','.join(after)},{paid},{paid:.2f},{1.1 * paid:.3f},{('no', 'yes')[churn]}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_column_that_alone_says_the_label_is_said(tmp_path):
    path = written_after(tmp_path / "a.csv")
    said = open_source(path).describe()
    assert "each of the columns reason, left on alone says the label" in said and "reason" in open_source(path)[1]
    priced = open_source(path, label="euros").describe()
    assert "each of the columns paid, dollars alone says the label" in priced
    plain = [line.split(",") for line in path.read_text().splitlines()]
    (tmp_path / "b.csv").write_text("\n".join(",".join([*row[:2], row[4], row[7]]) for row in plain) + "\n")
    assert "alone says" not in open_source(tmp_path / "b.csv").describe()
    (tmp_path / "c.csv").write_text("\n".join(",".join([row[0], row[2], row[7]]) for row in plain) + "\n")
    assert "column reason alone says the label: if it was written down after it, take it out" in (
        open_source(tmp_path / "c.csv").describe()
    )


def test_chance_says_no_label(tmp_path):
    """Nearly all are well, so that values that are there twice are of one label by chance; a few rows say nothing either."""
    path = tmp_path / "a.csv"
    cells = [f"v{i // 2},{i % 5},{'ill' if i in (7, 90) else 'well'}" for i in range(100)]
    cells[6], cells[91] = "v90,1,well", "v90,1,well"  # the ill stand alone, in values of their own
    path.write_text("ward,age,class\n" + "\n".join(cells) + "\n")
    assert "alone says" not in open_source(path).describe()
    path.write_text("ward,age,class\n" + "".join(f"{'ab'[i % 2]},{i % 5},{'xy'[i % 2]}\n" for i in range(12)))
    assert "alone says" not in open_source(path).describe()
    two = [tmp_path / "two" / name for name in ("train.csv", "test.csv")]
    two[0].parent.mkdir()
    written_after(two[0])
    two[1].write_text("\n".join(line.rpartition(",")[0] for line in two[0].read_text().splitlines()) + "\n")
    assert "each of the columns reason, left on alone says the label" in open_source(tmp_path / "two").describe()


def films(path):
    """Texts, and a column that may be the label: it has few values and an unlikely name."""
    lines = [f"{'rocket star' if i % 2 else 'kiss wedding'} {i % 9},{'space' if i % 2 else 'love'}" for i in range(60)]
    path.write_text("text,genres\n" + "\n".join(lines) + "\n")
    return path


def test_what_it_was_tuned_to_is_never_an_input(tmp_path):
    """`predict` of the same table, which does not take the column for its label, showed it to the encoder."""
    path = films(tmp_path / "films.csv")
    source = open_source(path)
    tokenizer = TableTokenizer.fit([source[i] for i in range(60)], Want(16))
    made = encoder({"x": tokenizer}, SHAPE)
    card = {"read": "mean_std", "width": 64, "input": {}}
    base = Pretrained(made, card)
    asked, _ = base.prepare(path, label="genres")
    tuned = Pretrained(made, _labelled(card, asked, "Genres", False))
    plain = base.embed(path)
    hidden, remarks = tuned.prepare(path)
    assert "genres" in base.prepare(path)[0][0] and "genres" not in hidden[0]
    assert "genres is what it was fine-tuned to, and is hidden from the encoder" in remarks
    found = tuned.embed_named(path)
    assert found.labels is not None and not np.allclose(found.z, plain)
    rows = [{"text": f"{i} kiss", "genres": "love"} for i in range(2)]
    assert np.allclose(tuned.embed(rows), tuned.embed([row | {"genres": "space"} for row in rows]))
    again = _labelled(tuned.card, base.prepare(path, label="text")[0], "text", False)
    assert again["labels"] == ["genres", "text"]


def test_a_column_that_may_be_the_label_is_said_to_be_an_input(tmp_path):
    source = open_source(films(tmp_path / "films.csv"))
    line = "labels may be in column genres: data.label=genres takes it"
    assert f"({line}; without that, genres is learnt from as an input)" in source.describe()
    assert f"a.csv has no labels that are plainly such: {line}" in str(unlabelled("a.csv", source))
    (tmp_path / "b.csv").write_text("text,pay\n" + "".join(f"word {i},{i}.5\n" for i in range(40)))
    assert "which column holds them, with data.label=; there are text, pay" in str(
        unlabelled("b.csv", open_source(tmp_path / "b.csv"))
    )
