"""Health records: what happened is payload, when is place."""

import numpy as np
import pytest
import torch

from headstart.augment import events as augment
from headstart.data.sets import visits
from headstart.errors import Mistake, Unreadable
from headstart.step import Step
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.events import EventsTokenizer
from headstart.tokenizers.want import Want
from headstart.tokens import pack

R = np.random.default_rng(0)


def record(n):
    codes = [["E11.9", "I10", "LAB/glucose", "LAB/creatinine"][i] for i in R.integers(0, 4, n)]
    value = np.array([R.lognormal(c == "LAB/glucose", 0.3) * 5 if c[0] == "L" else np.nan for c in codes])
    return {"code": codes, "value": value, "time": R.uniform(0, 3000, n).round(1)}


RECORDS = [record(n) for n in (1, 5, 60, 700, 30, 30)]


def test_contract():
    tokenizer = EventsTokenizer.fit(RECORDS)
    odd = [
        {"code": ["a"], "value": [None], "time": [3]},
        {"code": np.array(["new", "E11.9"]), "time": [1e7, 5]},
        {"code": ("I10", "I10"), "value": [1e-9, -1e99], "time": (0, 0)},
    ]
    check_tokenizer(tokenizer, RECORDS + odd)
    check_tokenizer(EventsTokenizer.fit(RECORDS[:1], Want(longest=8)), RECORDS + odd)


def test_a_record_comes_back_by_time():
    tokenizer = EventsTokenizer.fit(RECORDS)
    there = RECORDS[2]
    back = tokenizer.decode(tokenizer(tokenizer.fitted(there)))
    order = np.argsort(there["time"], kind="stable")
    assert back["code"] == [there["code"][i] for i in order]
    time = there["time"][order]
    assert np.allclose(back["time"], time - time[0], rtol=1e-6, atol=1e-3)
    assert np.allclose(back["value"], there["value"][order], rtol=1e-6, equal_nan=True)


def test_code_and_value_do_not_move_a_row():
    tokenizer = EventsTokenizer.fit(RECORDS)
    a = tokenizer({"code": ["I10", "I10"], "value": np.array([np.nan, 3.0]), "time": np.array([0.0, 9.0])})
    b = tokenizer({"code": ["E11.9", "LAB/glucose"], "value": np.array([1.0, np.nan]), "time": np.array([0.0, 9.0])})
    assert torch.equal(a.coords, b.coords) and not torch.equal(a.values, b.values)


def test_values_are_standardised_for_each_code():
    tokenizer = EventsTokenizer.fit([record(400) for _ in range(5)])
    fresh = record(3000)
    for name in ("LAB/glucose", "LAB/creatinine"):
        some = [v for c, v in zip(fresh["code"], fresh["value"], strict=True) if c == name]
        z = tokenizer({"code": [name] * len(some), "value": np.array(some), "time": np.zeros(len(some))}).values[:, 0]
        assert abs(float(z.mean())) < 0.15 and abs(float(z.std()) - 1) < 0.1


def test_long_records_keep_their_end_within_bounds():
    tokenizer = EventsTokenizer.fit(RECORDS, Want(longest=100))
    fitted = tokenizer.fitted(RECORDS[3])
    assert len(fitted["code"]) == 100 and fitted["time"][0] == 0
    latest = np.sort(RECORDS[3]["time"])[-100:]
    assert np.allclose(fitted["time"], latest - latest[0])
    ages = {"code": ["I10"] * 3, "time": [0.0, 1e7, 1e7 + 1]}
    assert tokenizer.fitted(ages)["time"].tolist() == [0.0, 1.0]
    assert float(tokenizer(tokenizer.fitted(RECORDS[3])).coords.max()) < 10_000


@pytest.mark.parametrize(
    "sample",
    [None, 3, "x", {}, {"code": [], "time": []}, {"code": ["a"], "time": [np.nan]}, {"code": ["a"], "time": [np.inf]},
     {"code": ["a", "b"], "time": [1]}, {"code": ["a"], "time": ["then"]}, {"code": [3], "time": [1]}, {"code": 5, "time": 5},
     {"code": ["a"], "time": [1], "value": [np.inf]}, {"code": ["a"], "time": [1], "value": [[1]]},
     {"code": ["x" * 999], "time": [1]},
     {"code": ["a"], "time": [[1]]}, {"code": ["a"], "time": [10**400]}, {"code": ["a"], "time": None}],
)  # fmt: skip
def test_what_is_no_record_is_said_in_words(sample):
    with pytest.raises(Unreadable):
        EventsTokenizer.fit(RECORDS).fitted(sample)


def test_fit_needs_one_record():
    with pytest.raises(Mistake, match="no record"):
        EventsTokenizer.fit([{}, 3])


def test_a_crop_is_a_stretch_of_time_with_gaps():
    tokenizer = EventsTokenizer.fit(RECORDS)
    long = [tokenizer(tokenizer.fitted(record(200))) for _ in range(6)]
    rng = Step(1, 9, seed=2).rng("views", torch.arange(6))
    crop = augment.crop_rows(pack(long, 1), rng, (0.25, 0.25), 1.0)
    assert all(1 + 35 <= n <= 1 + 50 for n in crop.layout.lengths)
    at = 0
    for n in crop.layout.lengths:
        order = crop.coords[at + 1 : at + n, 1]
        assert (order.diff() > 0).all() and order[-1] - order[0] < 120  # of 200 events, near each other
        at += n
    assert torch.equal(augment.crop_rows(pack(long, 1), rng, (0.25, 0.25), 1.0).values, crop.values)


def test_simulated_patients_show_their_condition_in_their_values():
    source = visits.load(patients=300)
    again = visits.load(patients=300)
    assert source[7]["code"] == again[7]["code"] and source.classes[0] == "none"
    assert set(np.unique(source.labels)) == {0, 1, 2, 3} and "simulated" in source.describe()
    assert not any(word in " ".join(source[i]["code"]) for i in range(50) for word in source.classes[1:])

    def last(i, name):
        found = [v for c, v in zip(source[i]["code"], source[i]["value"], strict=True) if c.startswith(name)]
        return found[-1] if found else np.nan

    creatinine = np.array([last(i, "LAB/creatinine") for i in range(300)])
    kidney, well = (np.nanmean(creatinine[source.labels == k]) for k in (2, 0))
    assert kidney > well + 5
    tokenizer = EventsTokenizer.fit([source[i] for i in range(50)])
    check_tokenizer(tokenizer, [*(source[i] for i in range(5)), {"code": ["VISIT/practice"], "time": [0]}])
