"""Proteins: residues as rows, FASTA and flat files, and the set."""

import numpy as np
import pytest
import torch

from headstart.augment import protein as views
from headstart.data.readers import fasta
from headstart.data.sets import proteins
from headstart.data.source import DataError
from headstart.errors import Mistake, Unreadable
from headstart.step import Step
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.protein import LETTERS, RESIDUES, ProteinTokenizer
from headstart.tokenizers.want import Want
from headstart.tokens import pack

CHAINS = ["m", "MKV*-xb", RESIDUES * 3, "mk v\nll.."]


def test_contract():
    check_tokenizer(ProteinTokenizer(40), CHAINS)
    check_tokenizer(ProteinTokenizer.fit(CHAINS), CHAINS)
    assert ProteinTokenizer.dim == 28 == len(set(LETTERS))


def test_standard_form():
    tokenizer = ProteinTokenizer(6)
    assert tokenizer.fitted(" mkv\nll..aa") == "MKVLL-"
    assert ProteinTokenizer.fit(CHAINS).longest == 60
    assert ProteinTokenizer.fit(["A" * 3_000, "", "1"]).longest == 512
    assert ProteinTokenizer.fit(["A" * 3_000], Want(longest=1_000)).longest == 1_000
    with pytest.raises(Mistake, match="no sample can be read as protein"):
        ProteinTokenizer.fit(["", "12"])


@pytest.mark.parametrize(
    "sample", ["", " ", "---", "**", "MK1", "MK>V", "ß", "ﬁ", "ı", "\ud800", b"MKV", None, 4, np.zeros(3)]
)
def test_refused(sample):
    with pytest.raises(Unreadable):
        ProteinTokenizer().fitted(sample)


def test_raw_is_composition():
    tokenizer = ProteinTokenizer()
    raw = tokenizer.raw("AACU")
    assert raw.shape == (462,) and raw[:2].tolist() == [0.5, 0.25] and raw[20] == 0.25 and np.isclose(raw[21:].sum(), 1)
    assert raw[21 + 0] == raw[21 + 1] == raw[21 + 21 + 20] == np.float32(1 / 3)  # AA, AC, CU
    assert np.isfinite(tokenizer.raw("M")).all()


def test_views_are_stretches():
    tokenizer = ProteinTokenizer()
    rng = Step(0, 1).rng("v", torch.tensor([1, 2]))
    crop = views.crop_rows(pack([tokenizer(RESIDUES), tokenizer("MK")]), rng, (0.5, 0.5), 0.5)
    stretch = "".join(LETTERS[i] for i in crop.values[:10])
    assert crop.layout.lengths == (10, 1) and stretch in RESIDUES
    assert crop.coords[:, 0].tolist() == [*range(10), 0]


FASTA = b"; a comment\r\n>sp|P1|ONE first protein\r\nMKVLL--GA\r\nAWQ.RS*\r\n\r\n"
FASTA += b">two\nMEEPQSDPSV\n>\nMAGAASPC\n>empty\n>bad\nMK1V\n"
DNA = b">chr1\nACGTACGTNNACGT\nacgtacgt\n>chr2\nGATTACARYGGGGGGGGG\n"
SWISS = b"""ID   CYC_HUMAN   STANDARD;      PRT;   105 AA.
OS   Homo sapiens (Human).
OC   Eukaryota; Metazoa; Chordata.
SQ   SEQUENCE   20 AA;  11618 MW;  7B1A;
     GDVEKGKKIF IMKCSQCHTV
//
ID   CYC_ECOLI               Reviewed;         8 AA.
OC   Bacteria; Proteobacteria.
SQ   SEQUENCE   8 AA;
     MKLV
     AAGG
//
"""


def write(tmp_path, content, name="a.fasta"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_fasta(tmp_path):
    path = write(tmp_path, FASTA)
    assert fasta.kind(FASTA, path) == "protein"
    source = fasta.open(path)
    assert list(source.samples) == ["MKVLLGAAWQRS", "MEEPQSDPSV", "MAGAASPC", "MK1V"] and source.kind == "protein"
    assert [source.name(i) for i in range(4)] == ["sp|P1|ONE", "two", "unnamed", "bad"] and source.labels is None
    assert fasta.kind(DNA, path) == "text" == fasta.open(write(tmp_path, DNA)).kind
    assert "nucleotides" in fasta.open(path).describe()
    mixed = b">tiny\nACGTA\n" + DNA + DNA
    assert fasta.kind(mixed, path) == "protein" == fasta.open(write(tmp_path, mixed)).kind, (
        "one answer, by the first one"
    )
    assert fasta.kind(b">quoted mail\nhello, you\n", path) is None and fasta.kind(b"plain words\n", path) is None


def test_flat_files(tmp_path):
    path = write(tmp_path, SWISS, "a.dat")
    assert fasta.kind(SWISS, path) == "protein"
    source = fasta.open(path)
    assert list(source.samples) == ["GDVEKGKKIFIMKCSQCHTV", "MKLVAAGG"] and source.name(0) == "CYC_HUMAN"
    assert source.classes == ("Bacteria", "Eukaryota") and source.labels.tolist() == [1, 0]
    embl = (
        b"ID   X1; SV 1; linear; DNA; 12 BP.\nOC   Eukaryota.\nSQ   Sequence 12 BP;\n     acgtacgtac gt        12\n//\n"
    )
    path.write_bytes(embl)
    assert fasta.kind(embl, path) == "text" and list(fasta.open(path).samples) == ["acgtacgtacgt"]


def test_damaged_files(tmp_path):
    """Only errors in words, whatever is in the file."""
    rng = np.random.default_rng(0)
    for whole in (FASTA, SWISS, DNA):
        for trial in range(40):
            data = bytearray(whole[: rng.integers(0, len(whole))] if trial % 2 else whole)
            for at in rng.integers(0, max(1, len(data)), 5) if data else ():
                data[at] = rng.integers(0, 256)
            path = write(tmp_path, bytes(data))
            fasta.kind(bytes(data), path)
            try:
                assert len(fasta.open(path))
            except DataError:
                continue
    for broken in (b"", b"\0\1\2", b"\x89PNG\r\n", b">only a header\n"):
        with pytest.raises(DataError):
            fasta.open(write(tmp_path, broken))
    with pytest.raises(DataError, match="cannot be opened"):
        fasta.open(tmp_path / "none.fasta")


def test_set(tmp_path, monkeypatch):
    rows = ["entry\tgene\tsequence\tlabel", "A\tx\tMKVLLAAWQRSTVV\t1", "B\tx\tmkvllaawqrstvv\t0", "C\tx\tMK!V\t1"]
    rows += ["D\tx\tGGMKVLLAAWQRSTGG\t0", "E\tx\tPPPPPPPPPPPPPPPP\t0", "F\tx\tMKVLLAAWQRSPPPPP\t1"]
    (tmp_path / "SEQ_CAPSID.tsv").write_text("\n".join(rows) + "\n")
    monkeypatch.setattr(proteins, "unpacked", lambda *_: tmp_path)
    source = proteins.load()
    assert [source.name(i) for i in range(len(source))] == ["A", "D", "E", "F"] and source.classes == (
        "capsid",
        "other",
    )
    assert source.labels.tolist() == [0, 1, 1, 0]
    groups = source.groups.tolist()
    assert groups[0] == groups[1] and len(set(groups)) == 3, "twelve residues in common make relatives, eleven do not"
    with pytest.raises(DataError, match="proteins:soluble"):
        proteins.load("location")
