"""`headstart probe`: what an encoder is worth on labelled data, beside the raw input and itself before training."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .. import dist
from ..data.classes import listed
from ..data.feeding.prepare import Prepared
from ..data.groups import AUTO
from ..data.source import DataError
from ..data.sources.listed import ListSource
from ..encoded import Pretrained, load
from ..errors import so_many
from ..log import Log
from ..nn.encoder import Encoder, set_dtype
from ..planning.plan import Plan, build
from ..probes import Of, asked_for, named, names
from ..recipe import RANDOM, Run
from ..running.finish import fresh
from ..running.folder import facts, method_of, title
from ..running.material import TEST, probing
from ..running.tuned import learnt_from
from ..scoring.labelled import Labelled, RowLabels, by_rows, unlabelled
from ..scoring.masked import masked, masks_of, values_of
from ..scoring.results import HALVES, MINE, Results, lines, summary
from ..scoring.score import choose_read, score_encoder, score_raw
from ..training import device_of

EVERY: tuple[Of, ...] = ("segments", "sets", "rows")  # what may be judged of samples that are no pairs


def probe(
    run: str | Path,
    where: object,
    log: Log | None = None,
    label: str | None = None,
    kind: str | None = None,
    probes: str | Sequence[str] | None = None,
    rows: RowLabels | None = None,
    group: str = AUTO,
    trust: bool = False,
) -> Results:
    """Scores by row on the labelled data `where`; 30 % of its samples judge, the others are learnt from; where
    these are fewer than 500, all judge in turns.

    label: the column that holds the labels ("folders": the names of folders do; "labels.csv:species": a column of a table that
    lies anywhere). group: the column, array or file that says which samples hang together, and are never divided between the two.
    kind: says what the data is, where its form does not. probes: that stand beside the usual ones, by name
    ("retrieval,attentive", or a list; "all"). rows: (source, number of a sample) -> [T], a whole number for each of its rows as
    the encoder's tokenizer makes them, -1 where unknown, for probes that judge rows; `source.name(number)` says which sample.

    trust: a method and parts from outside headstart, which the run names, may be run.

    Samples that the encoder saw in pre-training, without their labels, may be among both. Under torchrun samples are encoded by
    all processes, each a part of them, and the first one says what was found.
    """
    asked_for(probes or (), (*EVERY, "lists"))  # a name that nobody knows is told before anything is read
    with dist.dividing(device_of(Run())):
        log = log or Log(quiet=dist.rank() > 0)
        return _probed(Path(run), where, log, label, kind, probes, rows, group, trust)


def _probed(
    folder: Path,
    where: object,
    log: Log,
    label: str | None,
    kind: str | None,
    probes: str | Sequence[str] | None,
    rows: RowLabels | None,
    group: str,
    trust: bool,
) -> Results:
    """`probe`, in each process."""
    device = device_of(Run())
    encoder = load(folder, device, trust)
    refuse_learnt(folder, where)
    source, remarks = encoder.prepare(where, label=label, kind=kind, group=group)
    log.say(f"found     {source.describe()}")
    for remark in remarks:
        log.say(f"note      {remark}")
    by_rows_too = rows is not None or any(p.of == "rows" for p in asked_for(probes or (), (*EVERY, "lists")))
    if rows is None and by_rows_too:
        rows = _masked(source, log)
    elif rows is None and source.labels is not None and masks_of(source.source) is not None:
        log.say(
            "note      masks are there, too: probes=segment judges by them, and finetune task=segmentation learns from them"
        )
    able = EVERY if rows is not None else EVERY[:2]
    lists = listed(source.classes)
    if lists is not None:
        able = (*able, "lists")
    also = asked_for(probes or (), able)
    if lists is not None and lists.clear:
        also = also if any(p.of == "lists" for p in also) else [*also, named("multilabel")]
        log.say(
            "note      labels are lists of several classes: multilabel judges every class by itself, the others each list"
        )
    elif lists is not None and not any(p.of == "lists" for p in also):
        log.say(
            "note      names of classes look like lists of several (rash; fever), and each list is judged as one class; "
            "probes=multilabel judges every class by itself"
        )
    data = _divided(where, source, encoder, rows)
    if data.note:
        log.say(f"note      {data.note}")
    tokenizer, fresh = encoder.tokenizer, untrained(folder, encoder.module, log, trust)
    sides = f"{len(data.bank_at):,} samples to learn from, {len(data.query_at):,} to judge by"
    if data.crossed:
        sides = f"{len(data.query_at):,} samples judge in turns, by repeated cross-validation"
    told = len(set(data.labels("query").tolist())) if data.named and source.classes else 0
    classes = so_many(told, "class") if told else "no classes"
    log.say(f"probe     {sides}, {classes}; pre-training may have seen them, without labels")
    read = choose_read(fresh, tokenizer, data)[0]
    results = {
        **score_raw(tokenizer, data, also),
        "random encoder": score_encoder(fresh, tokenizer, data, read, also=also),
        MINE: score_encoder(encoder.module, tokenizer, data, encoder.read, also=also),
    }
    log.say(
        "\n"
        + "\n".join(lines(results))
        + f"\n\nworth     {summary(_usual(results, lists is not None and lists.clear) if also else results)}\n          {HALVES}"
    )
    return results


def _masked(source: Prepared, log: Log) -> RowLabels | None:
    """Labels of rows by the masks that are there."""
    given = masked(source)
    if given.masks is None:
        return None
    values, said = values_of(given.numbers())
    for line in (given.masks.why, said, given.seen.doubt):
        if line:
            log.say(f"note      {line}")
    if given.wrong:
        log.say(f"skipped   {so_many(len(given.wrong), 'mask')}; {given.first_wrong}")
    return lambda _, i: given[i].labels(values)


def _usual(results: Results, lists: bool) -> Results:
    """Without the figures that were asked for by name: a verdict does not hang on what somebody asks for. lists: labels are
    plainly lists, of which the mean average precision is the usual figure."""
    usual = tuple(name for name in names() if not named(name).asked or (lists and name == "multilabel"))
    kept = {row: {n: f for n, f in marks.items() if n.startswith(usual)} for row, marks in results.items()}
    return {row: marks for row, marks in kept.items() if marks} if kept[MINE] else results


def _divided(where: object, source: Prepared, encoder: Pretrained, rows: RowLabels | None) -> Labelled:
    """Who is learnt from and who judges."""
    data = probing(where, source, encoder.tokenizer)
    if data is not None:
        return replace(data, rows=rows)
    data = None if rows is None else by_rows(source, rows, TEST)
    if data is not None and source.labels is None:
        return data
    if source.labels is None and rows is None and masked(source).masks is not None:
        raise DataError(
            f"{where} has masks and no label for each sample: probes=segment judges by the masks, finetune tunes to them"
        )
    if source.labels is None:
        raise unlabelled(where, source.source)
    raise DataError(
        f"{where} has too few labels to judge by: at least two classes, 20 samples to learn from and 10 to judge"
    )


def refuse_learnt(folder: Path, where: object) -> None:
    """A DataError where the encoder was tuned to labels of this very data: by these anything would look good."""
    if learnt_from(folder, title(where)):
        raise DataError(
            f"the encoder in {folder} was fine-tuned to the labels of {title(where)}, so these say nothing of it: give labelled "
            "samples that it did not learn from, or the run that it was tuned from"
        )


def untrained(folder: Path, trained: Encoder, log: Log, trust: bool) -> Encoder:
    """The run's encoder as it was before its first step; of a shared encoder without its run, and of a run that went on from
    another, a random one of the same shape."""
    if not (folder / "run.json").exists():
        return fresh(trained)
    plan = Plan(**facts(folder)["plan"])
    recipe = build(plan, method_of(folder, plan, log, trust), ListSource([None], plan.tokenizer["kind"], [0]))
    if recipe.begins != RANDOM:
        return fresh(trained)
    encoder = recipe.objective.encoder
    set_dtype(encoder, trained.dtype)
    return encoder.to(trained.slots.device)
