"""Molecules: what rows hold comes back letter by letter, hostile strings do not get far, and lists of them are read."""

import time

import numpy as np
import pytest
import torch

from headstart.augment import molecule as augment
from headstart.data.readers import sdf, smiles
from headstart.data.sets import nci
from headstart.data.source import DataError
from headstart.errors import Mistake, Unreadable
from headstart.step import Step
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.molecule import MoleculeTokenizer
from headstart.tokens import pack

chem = pytest.importorskip("rdkit.Chem")

PLAIN = [
    "CCO",
    "c1ccccc1",
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "C",
    "[O-][N+](=O)c1cncs1",
    "ClC(Br)I",
]
HANDED = [
    "C[C@H](N)C(=O)O",
    "C[C@@H](N)C(=O)O",
    "F/C=C/F",
    "F/C=C\\F",
    "C/C=C/C=C\\C",
    "C[C@S](=O)CC".replace("C[C@S]", "C[S@]"),
    "C[C@]12CC[C@H]3[C@H]([C@@H]1CC[C@@H]2O)CCC4=CC(=O)CC[C@]34C",
    "CC(=O)O[C@H]1C=C[C@H]2[C@H]3CC4=C5[C@]2([C@H]1OC5=C(C=C4)OC(=O)C)CCN3C",
    "C/C(=N\\O)c1ccccc1",
]
ODD = [
    "[Na+].[Cl-]",
    "[13CH4]",
    "[2H]C([2H])([2H])O",
    "[Fe+2]",
    "[CH3]",
    "[O]O",
    "c1cc[nH]c1",
    "*CC*",
    "[H][H]",
    "[C-]#[O+]",
]
ODD += [
    "N->[Pt](Cl)Cl",
    "[Cu]$[Cu]",
    "F[P-](F)(F)(F)(F)F",
    "[Og]",
    "c1cc[se]c1",
    "[O-][Cl+3]([O-])([O-])[O-]",
    "[U+6]",
    "B1OBO1",
]


@pytest.fixture(scope="module")
def tokenizer():
    return MoleculeTokenizer.fit(PLAIN + HANDED)


def rng(n, step=0):
    return Step(step, 10, 3).rng("x", torch.arange(n))


@pytest.mark.parametrize("fitted_to", [PLAIN, PLAIN + HANDED + ODD])
def test_contract(fitted_to):
    check_tokenizer(MoleculeTokenizer.fit(fitted_to), PLAIN + HANDED + ODD)
    check_tokenizer(MoleculeTokenizer(), PLAIN)


def test_a_molecule_comes_back_as_rdkit_writes_it(tokenizer):
    for text in PLAIN + HANDED + ODD:
        there = chem.MolToSmiles(chem.MolFromSmiles(text))
        assert tokenizer.fitted(text) == there, "the canonical form, handedness included"
        assert tokenizer.decode(tokenizer(there)) == there


def test_one_molecule_written_differently_makes_the_same_rows(tokenizer):
    mol = chem.MolFromSmiles(HANDED[6])
    for i in range(10):
        order = np.random.default_rng(i).permutation(mol.GetNumAtoms()).tolist()
        other = chem.MolToSmiles(chem.RenumberAtoms(mol, order), canonical=False)
        a, b = tokenizer(tokenizer.fitted(other)), tokenizer(tokenizer.fitted(HANDED[6]))
        assert torch.equal(a.values, b.values) and torch.equal(a.coords, b.coords)


def test_mirror_images_differ_in_payload_only(tokenizer):
    a, b = (tokenizer(tokenizer.fitted(text)) for text in HANDED[:2])
    assert torch.equal(a.coords, b.coords) and int((a.values != b.values).sum()) == 1
    a, b = (tokenizer(tokenizer.fitted(text)) for text in HANDED[2:4])
    assert torch.equal(a.coords, b.coords) and int((a.values != b.values).sum()) == 1


def test_coordinates_hide_elements_and_bond_types(tokenizer):
    one = tokenizer("CCO")
    for other in ("CC=O", "CCN", "NCC", "CCS", "C=CC"):
        assert torch.equal(tokenizer(tokenizer.fitted(other)).coords, one.coords), "the same skeleton"
    assert not torch.equal(tokenizer("C1CC1").coords[:3], one.coords[:3]), "a ring is another"


def test_payload_is_standardised():
    samples = PLAIN * 3
    tokenizer = MoleculeTokenizer.fit(samples)
    values = pack([tokenizer(tokenizer.fitted(s)) for s in samples]).values
    atoms = values[values[:, 0] == 1][:, 1 : 1 + tokenizer._of_atom].double()
    spread = atoms.std(0, correction=0)
    assert atoms.mean(0).abs().max() < 1e-4
    assert ((spread - 1).abs() < 1e-3).logical_or(spread == 0).all()
    assert (spread > 0).sum() >= 10


@pytest.mark.parametrize(
    "sample",
    [
        "",
        " ",
        "no molecule",
        "C1CC",
        "C" * 5000,
        "C" * 300,
        "(" * 2000,
        "C(C)(C)(C)(C)C",
        "CC\x00C",
        "Ç",
        "�",
        "CC>>CO",
        "[Zz]",
        "C1" * 200,
        None,
        7,
        b"CCO",
        ["C"],
        np.array("CCO"),
        "c1cccc1",
        "[C@@",
        "[999999999C]",
        "[C+99]",
        "\u200bC",
        "[1000000C]",
    ],
)
def test_what_is_no_molecule_is_unreadable(tokenizer, sample, capfd):
    with pytest.raises(Unreadable):
        tokenizer.fitted(sample)
    assert capfd.readouterr().err == "", "RDKit's own words do not reach the terminal"


def test_noise_is_refused_or_read_and_nothing_else(tokenizer):
    r = np.random.default_rng(0)
    letters = list("CNOcnos()[]=#123@/\\+-.HF%")
    read = 0
    for _ in range(1500):
        text = "".join(r.choice(letters, r.integers(1, 10)))
        try:
            there = tokenizer.fitted(text)
        except Unreadable:
            continue
        read += 1
        assert tokenizer.fitted(there) == there and tokenizer.decode(tokenizer(there)) == there
    assert read > 20


def test_any_rows_decode(tokenizer):
    r = torch.Generator().manual_seed(0)
    for text in PLAIN + HANDED:
        tokens = tokenizer(tokenizer.fitted(text))
        for size in (1, 30):
            noisy = tokens.with_values(tokens.values + size * torch.randn(tokens.values.shape, generator=r))
            assert isinstance(tokenizer.decode(noisy), str)


def test_maps_are_left_out_and_what_rows_cannot_hold(tokenizer):
    assert tokenizer.fitted("[CH3:1][OH:2]") == "CO"
    flat = tokenizer.fitted("C[Pt@SP1](F)(Cl)Br")
    assert "@" not in flat and tokenizer.decode(tokenizer(flat)) == flat


def test_fit_leaves_out_what_cannot_be_read_and_wants_one():
    assert MoleculeTokenizer.fit([*PLAIN, "xx", None, ""]) == MoleculeTokenizer.fit(PLAIN)
    with pytest.raises(Mistake, match="SMILES"):
        MoleculeTokenizer.fit(["xx"])


def test_raw_tells_what_is_in_it(tokenizer):
    a, b = tokenizer.raw("CCO"), tokenizer.raw("CCN")
    assert 1000 < len(a) < 3072 and not np.array_equal(a[:1024], b[:1024])
    assert a[1024] == 2 and b[1024] == 2, "two carbons, of which the elements are counted after the fingerprint"


def test_without_rdkit_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rdkit.Chem", None)
    monkeypatch.setitem(__import__("sys").modules, "rdkit", None)
    with pytest.raises(Mistake, match=r"headstart\[molecules\]"):
        MoleculeTokenizer().fitted("CCO")


def test_crop_is_a_connected_part(tokenizer):
    texts = [tokenizer.fitted(t) for t in (HANDED[6], HANDED[7], PLAIN[2], "C")]
    tokens = pack([tokenizer(t) for t in texts], 2)
    seen = augment.crop_rows(tokens, rng(4), (0.4, 0.6), 1.0)
    first = 0
    for i, (length, text) in enumerate(zip(seen.layout.lengths, texts, strict=True)):
        part = seen.coords[first + 2 : first + length]
        atoms = int((part[:, 0] == part[:, 1]).sum())
        whole = chem.MolFromSmiles(text).GetNumAtoms()
        assert max(1, 0.4 * whole - 1) <= atoms <= max(1, 0.6 * whole + 1)
        assert (seen.layout.seg[first : first + length] == i).all()
        whole_ends = tokenizer(text).coords[:, :2].tolist()
        assert all(row in whole_ends for row in part[:, :2].tolist()), "atoms keep their numbers"
        stayed = part[part[:, 0] == part[:, 1], 0].int().tolist()
        bonds = [(int(a), int(b)) for a, b in whole_ends if a != b and a in stayed and b in stayed]
        reached = {stayed[0]}
        for _ in stayed:
            reached |= {x for bond in bonds if reached & set(bond) for x in bond}
        assert reached == set(stayed), "bonds that were dropped aside, the part hangs together"
        first += length


def test_smiles_files(tmp_path):
    path = tmp_path / "a.smi"
    path.write_text("smiles\tname\nCCO\tethanol of wine\nc1ccccc1 benzene\n\nCC(=O)O\n")
    start = path.read_bytes()
    assert smiles.kind(start, path) == "molecule"
    source = smiles.open(path)
    assert [source[i] for i in range(len(source))] == ["CCO", "c1ccccc1", "CC(=O)O"]
    assert [source.name(i) for i in range(3)] == ["ethanol of wine", "benzene", "a[2]"]


@pytest.mark.parametrize(
    ("text", "name", "is_one"),
    [
        ("CCO\nCC\nCN\n", "a.smi", True),
        ("CCO\nCC\nCN\n", "a.txt", False),
        ("C=CO 1\nC1CC1 2\nCC(=O)N 3\nCCN 4\nCO 5\n", "a.txt", True),
        ("Cocoon\nCo\nIn\nNo\nOn\nCo\n", "a.txt", False),
        ("In the beginning was\nthe Word\n", "a.smi", False),
        ("1 2\n3 4\n5 6\n7 8\n9 1\n", "a.txt", False),
        ("", "a.smi", False),
        ("def f():\n    return 1\n", "a.smi", False),
    ],
)
def test_what_counts_as_smiles(tmp_path, text, name, is_one):
    assert (smiles.kind(text.encode(), tmp_path / name) == "molecule") == is_one


def test_what_is_no_list_of_molecules_is_said(tmp_path):
    path = tmp_path / "a.smi"
    r = np.random.default_rng(0)
    for content in (b"", b"\n\n", b"all of these are words\n", r.bytes(5000), b"\0" * 100):
        path.write_bytes(content)
        smiles.kind(content[:4096], path)
        with pytest.raises(DataError):
            smiles.open(path)
    with pytest.raises(DataError, match="opened"):
        smiles.open(tmp_path / "none.smi")


def test_a_hostile_line_takes_no_time(tmp_path):
    path = tmp_path / "a.smi"
    path.write_text("C" * 5_000_000 + "!\nCC\n")
    start = time.process_time()
    assert smiles.kind(path.read_bytes()[:4096], path) is None
    assert len(smiles.open(path)[0]) == 10_000
    assert time.process_time() - start < 1


def records(tmp_path, texts, tags):
    path = tmp_path / "a.sdf"
    with chem.SDWriter(str(path)) as writer:
        for i, text in enumerate(texts):
            mol = chem.MolFromSmiles(text)
            for tag, values in tags.items():
                if values[i] is not None:
                    mol.SetProp(tag, str(values[i]))
            writer.write(mol)
    return path


def test_sd_files(tmp_path):
    path = records(
        tmp_path, ["CCO", "c1ccccc1", "[NH4+]"], {"area": [20.2, None, 0.5], "group": ["x", "y", "x"], "id": [1, 2, 3]}
    )
    assert sdf.kind(path.read_bytes()[:4096], path) == "molecule"
    source = sdf.open(path)
    assert [source[i] for i in range(3)] == ["CCO", "c1ccccc1", "[NH4+]"] and source.labels is None
    with pytest.raises(Unreadable, match="3 molecules"):
        sdf.read(path)
    assert set(source.properties) == {"area", "id"}
    np.testing.assert_array_equal(source.properties["area"], np.float32([20.2, np.nan, 0.5]))
    np.testing.assert_array_equal(sdf.open(path, "group").labels, [0, 1, 0])
    assert sdf.open(path, "group").classes == ("x", "y")
    assert sdf.open(path, "area").labels.dtype == np.float32
    with pytest.raises(DataError, match="area"):
        sdf.open(path, "nothing")


def test_a_mol_file_is_one_molecule(tmp_path):
    path = tmp_path / "a.mol"
    path.write_text(chem.MolToMolBlock(chem.MolFromSmiles("CC(=O)O")))
    assert sdf.kind(path.read_bytes(), path) == "molecule"
    source = sdf.open(path)
    assert len(source) == 1 and source[0] == sdf.read(path) == "CC(=O)O"
    path.write_text(chem.MolToV3KMolBlock(chem.MolFromSmiles("CCN")).replace("\n", "\r\n"))
    assert sdf.kind(path.read_bytes(), path) == "molecule" and sdf.open(path)[0] == "CCN"


def test_a_broken_record_spares_the_others(tmp_path, capfd):
    path = records(tmp_path, ["CCO", "CCC", "CCN"], {})
    parts = path.read_bytes().split(b"$$$$\n")
    parts[1] = parts[1].replace(b" C ", b" Qq", 1)
    path.write_bytes(b"$$$$\n".join(parts))
    source = sdf.open(path)
    assert (source[0], source[2]) == ("CCO", "CCN")
    with pytest.raises(Unreadable):
        source[1]
    assert capfd.readouterr().err == ""


def test_damaged_sd_files(tmp_path, capfd):
    whole = records(tmp_path, ["CCO", "c1ccccc1C(=O)O"], {"area": [1.5, 2.5]}).read_bytes()
    path, r = tmp_path / "b.sdf", np.random.default_rng(0)
    for i in range(150):
        damaged = bytearray(whole[: r.integers(0, len(whole))] if i % 2 else whole)
        for at in r.integers(0, max(1, len(damaged)), i % 7):
            if damaged:
                damaged[at] ^= 1 << r.integers(0, 8)
        path.write_bytes(bytes(damaged))
        sdf.kind(bytes(damaged[:4096]), path)
        try:
            source = sdf.open(path)
            for k in range(len(source)):
                assert isinstance(source[k], str)
        except (Unreadable, DataError):
            pass
    for content in (b"", b"In the beginning\n" * 50, r.bytes(3000)):
        path.write_bytes(content)
        assert sdf.kind(content, path) is None
        with pytest.raises(DataError):
            sdf.open(path)


def test_nci_joins_areas_by_molecule(tmp_path, monkeypatch):
    (tmp_path / "first_5K.smi").write_text("".join(f"{'C' * n}O\t{n}\n" for n in range(1, 60)))
    (tmp_path / "first_5k.tpsa.csv").write_text("# areas\n" + "".join(f"{'C' * n}O,{n / 2}\n" for n in range(1, 60)))
    monkeypatch.setattr(nci, "unpacked", lambda *_: tmp_path)
    whole, train, test = (nci.load(split) for split in ("all", "train", "test"))
    assert len(train) + len(test) == len(whole) == 59 and 3 < len(test) < 25
    for source in (whole, train, test):
        assert all(source.labels[i] == (len(source[i]) - 1) / 2 for i in range(len(source)))
    with pytest.raises(DataError, match="split"):
        nci.load("valid")
    (tmp_path / "first_5K.smi").write_text("CC\t1\n")
    with pytest.raises(DataError, match="other molecules"):
        nci.load()
