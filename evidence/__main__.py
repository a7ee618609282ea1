"""`python -m evidence`: run checks, write docs/papers.md and the matrix of methods and kinds, rebuild the list of records."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from headstart.errors import Mistake

from . import ledger, papers, records, renewal, running


def run(args: argparse.Namespace) -> int:
    """measure claims and write them into the ledger; exit status 1 if any does not hold"""
    if args.jobs < 1:
        raise Mistake(f"--jobs {args.jobs}: at least one check runs at a time")
    if not (args.slugs or args.all or args.changed):
        raise Mistake("say which: python -m evidence run SLUG..., run --all, or run --changed")
    slugs = list(dict.fromkeys(known(slug) for slug in args.slugs)) or ledger.checks()
    if args.changed:
        slugs = [slug for slug in slugs if ledger.stale(slug)]
    if not slugs:
        print("nothing to run: every row is there, and nothing has changed since")
        return 0
    return int(running.run(slugs, args.jobs, args.pilot) > 0)


def renew(args: argparse.Namespace) -> int:
    """keep rows whose code was rebuilt and does the same, to the last bit, as in the folder BEFORE where it was measured"""
    slugs = [known(slug) for slug in args.slugs] or [
        s for s in ledger.checks() if ledger.stale(s) and s in ledger.rows()
    ]
    return int(renewal.renew(slugs, args.before.resolve()) > 0)


def write_papers(args: argparse.Namespace) -> int:
    """write docs/papers.md, and what `headstart recipes NAME` says of evidence, from the records and the ledger"""
    for path, text in ((papers.PAGE, papers.page()), (papers.CARDS, papers.cards())):
        ledger.put(path, text)
        print(f"wrote {path}")
    return 0


def write_matrix(args: argparse.Namespace) -> int:
    """try recipes (all, unless named) on every kind of data, time a step beside mae's, and write the package's matrix.json"""
    from headstart.shelf.find import called, find, names

    from . import matrix

    matrix.write([called(find(name)) for name in args.names] or names())
    return 0


def index(args: argparse.Namespace) -> int:
    """rebuild evidence/records.json from a folder of YAML records"""
    print(f"{records.index(args.folder)} records")
    return 0


def known(slug: str) -> str:
    """The slug of a check, or a sentence that says what there is."""
    slug, have = ledger.slug_of(slug), ledger.checks()
    if slug in have:
        return slug
    every = {record.slug for record in records.records()} | set(have)
    if slug in every:
        raise Mistake(f"{slug} has no check yet: write evidence/{ledger.name_of(slug)}.py with check(trial)")
    near = difflib.get_close_matches(slug, sorted(every), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise Mistake(f"there is no paper {slug!r} here; {hint}docs/papers.md lists them all")


def parser() -> argparse.ArgumentParser:
    """A sub-command is a function of its arguments that returns the exit status: add it to `commands`."""
    top = argparse.ArgumentParser(
        prog="python -m evidence", description="One falsifiable check per paper, and what was measured."
    )
    below = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    commands = {"run": run, "renew": renew, "papers": write_papers, "matrix": write_matrix, "index": index}
    parts = {}
    for name, function in commands.items():
        parts[name] = below.add_parser(name, help=function.__doc__, description=function.__doc__)
        parts[name].set_defaults(call=function)
    parts["run"].add_argument("slugs", nargs="*", metavar="SLUG", help="such as gmml")
    parts["run"].add_argument("--all", action="store_true", help="every check there is")
    parts["run"].add_argument(
        "--changed", action="store_true", help="only those without a row, or of which something has changed since"
    )
    parts["run"].add_argument(
        "--pilot", action="store_true", help="other seeds, by which bounds are chosen; writes nothing"
    )
    parts["run"].add_argument("--jobs", type=int, default=2, metavar="N", help="checks at a time (2)")
    parts["renew"].add_argument(
        "before", type=Path, metavar="BEFORE", help="a checkout of the code the rows were measured with"
    )
    parts["renew"].add_argument("slugs", nargs="*", metavar="SLUG", help="all that are stale, unless named")
    parts["matrix"].add_argument("names", nargs="*", metavar="RECIPE", help="such as gmml")
    parts["index"].add_argument("folder", metavar="FOLDER", help="the folder of the *.yaml")
    return top


def main(words: Sequence[str] | None = None) -> int:
    args = parser().parse_args(words)
    try:
        return args.call(args)
    except (Mistake, OSError) as error:
        print(f"evidence: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("evidence: stopped; what was measured is written down", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
