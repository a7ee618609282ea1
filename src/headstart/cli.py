"""`headstart VERB ...`: the verbs on the command line. Nothing heavy is imported until a verb runs."""

import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="headstart",
    help="Self-supervised pre-training of transformers on any unlabelled data.",
    epilog="Begin with: headstart demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)
Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME=VALUE]...", help="settings, such as run.minutes=4; each verb names its own"),
]
Folder = Annotated[str, typer.Argument(metavar="RUN", help="the folder of a run, such as runs/mae-photos")]
Where = Annotated[
    str, typer.Argument(metavar="PATH", help="a file or folder of data of any kind, or the name of a set")
]

_READ = {"trust": False, "data.label": None, "data.kind": None, "data.group": "auto"}  # words of verbs that read data
_PART = {**_READ, "part": None}  # of those that embed it

Moved = Annotated[
    list[str] | None, typer.Argument(metavar="[PATH] [trust=true]", help="the data, if it has moved, and the word")
]


@app.command()
def demo(words: Words = None) -> None:
    """Pre-train on embedded data, on any CPU, in about two minutes, and see what it is worth."""
    from .verbs.demo import demo as verb

    if _run(lambda: verb(*(words or []))).outcome.interrupted:
        raise typer.Exit(130)


@app.command(epilog="Example: headstart sniff photos/")
def sniff(where: Where) -> None:
    """Say what is at a path: kind, samples, shapes, rates, where labels might be."""
    from .verbs.sniff import sniff as verb

    _run(lambda: verb(where))


@app.command(epilog="Example: headstart check photos/ labelled=mine/ out=check.json")
def check(where: Where, words: Words = None) -> None:
    """Find broken, constant and duplicate samples, odd sizes, and leakage; exit status 1 if there is anything.

    data.group=patient says which samples hang together (a column, an array, labels.csv:patient, or folders): the same sample in
    two groups is a leak, too.
    """
    from .verbs.check import check as verb

    known = {"labelled": None, "out": None, "data.kind": None, "data.label": None, "data.group": "auto"}
    if _run(lambda: verb(where, **_only(words, **known))).problems:
        raise typer.Exit(1)


@app.command(epilog="Example: headstart show photos/ out=photos.html data.side=64")
def show(where: Where, words: Words = None) -> None:
    """Put samples on one page to look at: as read, as rows say them, as views make them, their ranges, units and labels."""
    from .verbs.show import show as verb

    _run(lambda: verb(where, *(words or [])))


@app.command(epilog="Example: headstart plan photos/ run.minutes=30")
def plan(where: Where, words: Words = None) -> None:
    """Say what was found, what pretrain would do and why, what it would cost here, and every word that changes it."""
    from .verbs.plan import plan as verb

    _run(lambda: verb(where, *(words or [])))


@app.command(epilog="Example: headstart pretrain photos/ recipe=gmml ratio=0.6 run.minutes=30 run.out=runs/a")
def pretrain(where: Where, words: Words = None) -> None:
    """Pre-train an encoder on unlabelled data; the same command goes on where an interrupted one stopped.

    Where torch sees several devices, one process is started for each (run.processes=1: none).
    """
    from .running.processes import start, wanted
    from .verbs.pretrain import pretrain as verb

    count = _run(lambda: wanted(words or []))
    if count > 1:
        raise typer.Exit(start(["pretrain", where, *(words or [])], count, lambda said: typer.echo(said, err=True)))
    if _run(lambda: verb(where, *(words or []))).outcome.interrupted:
        raise typer.Exit(130)


@app.command(epilog="Example: headstart embed runs/a new/ out=z.npz")
def embed(run: Folder, where: Where, words: Words = None) -> None:
    """Turn data into vectors with a pre-trained encoder; out=FILE ends in .npz, .csv or .parquet; trust=true.

    out=vectors/ writes Parquet shards: for what does not fit into memory, by one process or by many (torchrun
    --nproc-per-node 4 -m headstart embed ...); the same command goes on where it was stopped.

    Of a run on pairs part=image says whose encoder is asked; neighbours, outliers and map take it, too.
    """
    from .verbs.embed import embed as verb
    from .verbs.shards import embed_shards, meant

    def work() -> None:
        asked = _only(words, out=_beside(run, words, "z.npz"), **_PART)
        (embed_shards if meant(asked["out"]) else verb)(run, where, **asked)

    _run(work)


@app.command(epilog="Example: headstart neighbours runs/a photos/ of=photos/cat.jpg k=5 out=near.html")
def neighbours(run: Folder, where: Where, words: Words = None) -> None:
    """Find the samples nearest to each other, or to of=NAME or of=PATH; out=FILE ends in .csv, .npz or .html (a page)."""
    from .verbs.neighbours import neighbours as verb

    known = {"of": None, "k": 10, "out": _beside(run, words, "neighbours.csv")}
    _run(lambda: verb(run, where, **_only(words, **known, **_PART)))


@app.command(epilog="Example: headstart outliers runs/a new/ against=photos/ out=unusual.html most=20")
def outliers(run: Folder, where: Where, words: Words = None) -> None:
    """Score how unusual samples are to an encoder, among themselves or against=PATH (normal data); out=FILE is .csv or .html."""
    from .verbs.outliers import outliers as verb

    known = {"against": None, "most": 50, "out": _beside(run, words, "outliers.csv")}
    _run(lambda: verb(run, where, **_only(words, **known, **_PART)))


@app.command(epilog="Example: headstart map runs/a photos/ out=map.html")
def map(run: Folder, where: Where, words: Words = None) -> None:
    """Draw a map of samples as an encoder sees them, on a page to look at: out=FILE.html, most=5000, seed=0."""
    from .verbs.map import map as verb

    known = {"most": 5000, "seed": 0, "out": _beside(run, words, "map.html")}
    _run(lambda: verb(run, where, **_only(words, **known, **_PART)))


@app.command(
    epilog="Example: headstart probe runs/a labelled/ data.label=labels.csv:species probes=retrieval,attentive"
)
def probe(run: Folder, where: Where, words: Words = None) -> None:
    """Score an encoder on labelled data, beside the raw input and the encoder before training.

    knn and linear always judge (and trees raw tables); probes=NAME,NAME adds others: retrieval (who finds its class), attentive
    (a head that looks over all rows), multilabel (labels such as "rash; fever"), centroid, bayes, ridge, trees; all of them with
    probes=all. Where rows have labels, by masks beside the samples (or rows= in Python): segment, prompted, same_object.
    data.group=patient says which samples hang together (a column, an array, labels.csv:patient, or folders), and are never
    divided between learning and judging.
    """
    from .verbs.probe import probe as verb

    _run(lambda: verb(run, where, **_only(words, **_READ, probes=None)))


@app.command(
    epilog="Examples: headstart compare runs/a labelled/ labels=100,600    "
    "headstart compare photos/ recipe=mae,gmml,dino seeds=3 run.minutes=5"
)
def compare(
    places: Annotated[
        list[str],
        typer.Argument(metavar="RUN... PATH [NAME=VALUE]...", help="runs, then labelled data; words anywhere"),
    ],
) -> None:
    """Say what pre-training is worth by number of labels; labels= (or shares), seeds= (draws), steps= tune= (fine-tuning), out=.

    Raw input, what is usually taken for this kind of data, a random encoder, from scratch, and each run, frozen and fine-tuned.
    data.group=patient never divides what hangs together.
    With recipe= instead of runs each is trained first, with as many seeds.
    """
    from .verbs.compare import compare as verb

    _run(lambda: verb(*places))


@app.command(epilog="Example: headstart analyse runs/a photos/")
def analyse(run: Folder, where: Where, words: Words = None) -> None:
    """Say how vectors lie, without labels, beside the encoder before training: rank, uniformity, alignment, LiDAR, by depth.

    With labels also a linear probe at each depth, and which samples lie nearer to another class than to theirs; data.label=.
    """
    from .verbs.analyse import analyse as verb

    _run(lambda: verb(run, where, **_only(words, **_READ)))


@app.command(
    epilog="Examples: headstart finetune runs/a labelled/ tune=lora:8 data.label=labels.csv:species run.minutes=5    "
    "headstart finetune runs/a photos/ data.label=masks/ ignore=255    "
    "headstart finetune runs/a films.csv data.label=genres task=multilabel    "
    "headstart finetune runs/a series/ task=forecasting horizon=24"
)
def finetune(run: Folder, where: Where, words: Words = None) -> None:
    """Tune an encoder to labels: classes, several at once, quantities, or masks; tune=, lr=, steps=, weights=, init=scratch.

    Labels that are lists of several classes, "rash; fever", "a|b" or "a, b", are told class by class (task=multilabel, where that
    is not clear; task=classification: each list is one class). A sample without a label is unknown (empty=none: it has none).

    Masks say the class of every point (task=segmentation): images/a.jpg and masks/a.png, an .npz with x [n, H, W, C] and y
    [n, H, W] (of series [n, T]), or data.label=masks/. In a mask -1, and 255 where it is plainly no class, is unknown (ignore=).

    task=forecasting horizon=24 tunes an encoder of series, without labels, to say the next 24 values of every channel; context=
    (values before them), period= (after which series repeat themselves).

    A fifth of the labels is held back to choose the rate, the step and the temperature; the same command goes on where an
    interrupted one stopped; data.group=patient never divides what hangs together. What it leaves is a folder that embed, probe
    and predict take.
    """
    from .verbs.finetune import finetune as verb

    if _run(lambda: verb(run, where, *(words or []))).interrupted:
        raise typer.Exit(130)


@app.command(
    epilog="Examples: headstart predict runs/tuned-a-labelled new/ out=new.csv    "
    "headstart predict runs/tuned-a-photos new/ out=maps/"
)
def predict(run: Folder, where: Where, words: Words = None) -> None:
    """Say the class or the quantity of each sample with a fine-tuned encoder; out=FILE ends in .npz, .csv or .parquet.

    One that was tuned to masks names every point: out=maps/ leaves a PNG for each picture, and classes.json; .npz the same maps
    in one file; .csv the share of every class. Tuned to task=forecasting, it says what comes after the end of each series: a row
    for each name, channel and step.
    """
    from .verbs.predict import predict as verb

    _run(lambda: verb(run, where, **_only(words, out=f"{run.rstrip('/')}/predicted.csv", **_READ)))


@app.command(epilog="Example: headstart report runs/a out=a.html data=/where/photos/are/now")
def report(run: Folder, words: Words = None) -> None:
    """Write the page about a finished run anew: worth, curves, samples, neighbours, a map; data=PATH if the data has moved."""
    from .verbs.report import report as verb

    _run(lambda: verb(run, **_only(words, data=None, out=None, trust=False)))


@app.command(epilog="Example: headstart recipes mae")
def recipes(name: Annotated[str | None, typer.Argument(help="the recipe to show")] = None) -> None:
    """List the methods there are, or show one."""
    from .verbs.recipes import recipes as verb

    _run(lambda: typer.echo(verb(name)))


@app.command()
def again(run: Folder, rest: Moved = None) -> None:
    """Take the first ten steps of a run again and compare the losses to the last bit.

    A method from outside headstart, which the run names, is run only where trust=true says so: its copy is RUN/recipe.py.
    """
    from .verbs.again import again as verb

    words = [word for word in rest or [] if word.startswith("trust=")]
    moved = [path for path in rest or [] if path not in words]
    if len(moved) > 1:
        raise _mistake(
            ValueError(f"one PATH says where the data is now, and here are {len(moved)}: {', '.join(moved)}")
        )
    _run(lambda: verb(run, next(iter(moved), None), **_only(words, trust=False)))


@app.command()
def doctor(
    empty_cache: Annotated[bool, typer.Option("--empty-cache", help="delete what was decoded and kept")] = False,
) -> None:
    """Say what this machine has, what is missing, where what was decoded is kept, and what that means."""
    from .verbs.doctor import doctor as verb

    _run(lambda: typer.echo(verb(empty_cache)))


def _beside(run: str, words: list[str] | None, name: str) -> str:
    """A file in the folder of a run, of a run on pairs in that of the part that is asked for."""
    parts = [word.removeprefix("part=") for word in words or [] if word.startswith("part=")]
    return "/".join([run.rstrip("/"), *parts[-1:], name])


def _only(words: list[str] | None, **defaults: Any) -> dict[str, Any]:
    """Words of a verb that takes just these, without the names of their groups."""
    from .words import WordError, fit, parse, unknown

    kinds = {bool: bool, int: int, str: str}
    texts = {name: kinds.get(type(default), str | None) for name, default in defaults.items()}
    given = parse(words or [], hints=texts)
    for name in given:
        if name not in defaults:
            raise _mistake(unknown(name, defaults))
        if isinstance(defaults[name], int):
            try:
                given[name] = fit(name, given[name], type(defaults[name]))
            except WordError as error:
                raise _mistake(error) from error
    return {name.rpartition(".")[2]: value for name, value in (defaults | given).items()}


def _run(verb: Callable[[], Any]) -> Any:
    """Call a verb; a user's mistake is one sentence and exit status 2, a training that cannot go on is exit status 1.

    Nobody reads on where standard output is closed (`| head -1`): that passes through, and typer ends without a word.
    """
    from .errors import Mistake, Unreadable
    from .health import TrainingStopped
    from .running.processes import LEFT_ALONE, LeftAlone
    from .verbs.again import NotReproduced

    try:
        return verb()
    except BrokenPipeError:
        raise
    except (Mistake, Unreadable, OSError) as error:
        raise _mistake(error) from error
    except (TrainingStopped, NotReproduced) as error:
        typer.echo(f"headstart: {error}", err=True)
        raise typer.Exit(1) from error
    except LeftAlone as error:
        typer.echo(f"headstart: {error}", err=True)
        raise typer.Exit(LEFT_ALONE) from error
    except KeyboardInterrupt as error:
        typer.echo("\nstopped   what was saved is kept; the same command goes on from there", err=True)
        raise typer.Exit(130) from error


def _mistake(error: Exception) -> typer.Exit:
    from .errors import shown

    said = str(error)
    if isinstance(error, OSError) and error.strerror:
        said = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    typer.echo(f"headstart: {shown(said)}", err=True)
    return typer.Exit(2)


def main() -> None:
    """The console script. Whatever a name holds, a stream takes it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except OSError as error:  # of the help itself: what it is written to is full
        sys.exit(_mistake(error).exit_code)
