"""`headstart embed RUN DATA out=vectors/`: vectors as Parquet shards, in the order of samples, by one process or many.

Of n processes each makes every n-th shard (RANK and WORLD_SIZE of torchrun; they never wait for each other), and none holds more
than one shard in memory. A shard is there whole or not at all, and says of which samples and by which encoder it is: what is
missing is made when the same command is given again, by whatever number of processes.
"""

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data.groups import AUTO
from ..data.source import Source
from ..encoded import Pretrained
from ..errors import Mistake, shown, so_many
from ..extras import need
from ..home import expanded
from ..log import Log, span
from ..outputs import BY
from ..writing import try_folder, whole
from .embed import opened, parquet, said_of

SHARD = 16_384  # samples
NAME = "vectors-{:05d}-of-{:05d}.parquet"


@dataclass(frozen=True)
class Sharded:
    """What a process has made. folder: of the shards; made: those of this process, done: those that were there. left_out: samples
    that cannot be read."""

    folder: Path
    made: list[Path]
    done: list[Path]
    samples: int
    left_out: int


def embed_shards(
    run: str | Path,
    where: object,
    out: str | Path,
    log: Log | None = None,
    trust: bool = False,
    label: str | None = None,
    kind: str | None = None,
    group: str = AUTO,
    part: str | None = None,
) -> Sharded:
    """Embed `where` with the encoder of a run's folder into shards in the folder `out`, each with the columns name, label (where
    there are labels) and z [D] of up to 16,384 samples. Words as for `embed`. Mistake where there are shards of another encoder,
    or of other data.
    """
    rank, world = (int(os.environ.get(name, usual)) for name, usual in (("RANK", "0"), ("WORLD_SIZE", "1")))
    log = log or Log(quiet=rank > 0)
    folder = expanded(str(out))
    need("pyarrow.parquet", "tables", "writing .parquet")
    try_folder(folder)
    encoder, where = opened(run, trust, part, where, "embed", label, group)
    source, remarks = encoder.opened(where, label, kind, False, group)
    for remark in remarks:
        log.say(f"note      {remark}")
    count = -(-len(source) // SHARD)
    mine = [k for k in range(count) if k % world == rank]
    _others(folder, count)
    places = {k: folder / NAME.format(k, count) for k in mine}
    facts = {k: _facts(encoder, source, k) for k in mine}
    done = [k for k in mine if places[k].exists() and _same(places[k], facts[k])]
    if done:
        log.say(
            f"shards    {so_many(len(done), 'shard')} of {len(mine):,} {'is' if len(done) == 1 else 'are'} there already"
        )
    began, samples, bad = time.monotonic(), 0, list[tuple[str, str]]()
    todo = [k for k in mine if k not in done]
    for n, k in enumerate(todo):
        found = encoder.embed_some(source, _numbers(source, k), log.progress("embedding"), log.progress("reading"))
        for remark in found.remarks if k == mine[0] else ():
            log.say(f"note      {remark}")
        with whole(places[k]) as target:
            parquet(found, said_of(found), target, {**BY, "shard": json.dumps(facts[k])})
        samples, bad = samples + len(found.z), bad + found.bad
        took = time.monotonic() - began
        left = f", {span(took / (n + 1) * (len(todo) - n - 1))} left" if n + 1 < len(todo) else ""
        log.say(f"shard     {places[k].name}: {so_many(len(found.z), 'sample')}{left}")
    for name, reason in bad[:3]:
        log.say(f"skipped   {shown(name)}: {reason}")
    if len(bad) > 3:
        log.say(f"skipped   {len(bad) - 3:,} more that cannot be read")
    log.say(f"wrote     {so_many(len(todo), 'shard')} in {shown(str(folder))}")
    made = [places[k] for k in todo]
    return Sharded(folder, made, [places[k] for k in done], samples, len(bad))


def meant(out: str) -> bool:
    """Whether this is the name of a folder."""
    return out.endswith(("/", os.sep)) or not Path(out).suffix


def _numbers(source: Source, shard: int) -> np.ndarray:
    return np.arange(shard * SHARD, min((shard + 1) * SHARD, len(source)))


def _facts(encoder: Pretrained, source: Source, shard: int) -> dict[str, object]:
    """What a shard is of: the encoder by its weights, the samples by their names and numbers."""
    at = _numbers(source, shard)
    names = hashlib.sha256("\0".join(source.name(int(i)) for i in at).encode("utf-8", "surrogateescape"))
    return {"encoder": encoder.mark, "from": int(at[0]), "to": int(at[-1]) + 1, "names": names.hexdigest()[:16]}


def _others(folder: Path, count: int) -> None:
    """A Mistake where shards of another number of samples lie."""
    for path in sorted(folder.glob(NAME.replace("{:05d}", "*"))):
        if not path.stem.endswith(f"-of-{count:05d}"):
            raise Mistake(
                f"{shown(str(folder))} holds {path.name}, of other data (this makes {so_many(count, 'shard')}): give another "
                "folder, or delete it"
            )


def _same(path: Path, facts: dict[str, object]) -> bool:
    """Whether this shard is what would be made. Mistake where it is of another encoder or other data."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        told = json.loads((pq.read_schema(path).metadata or {}).get(b"shard", b"null"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Mistake(
            f"{shown(str(path))} cannot be read ({error}): delete it, and give the same command again"
        ) from error
    if told != facts:
        what = "another encoder" if isinstance(told, dict) and told.get("names") == facts["names"] else "other data"
        raise Mistake(f"{shown(str(path))} is of {what}: give another folder, or delete it")
    return True
