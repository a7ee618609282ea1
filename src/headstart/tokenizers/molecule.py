"""Molecules as rows of atoms and bonds (TokenGT, Kim et al. 2022): what an atom is may be hidden, where it hangs may not."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import Mistake, Unreadable
from ..extras import need
from ..forms import Json, Sample
from ..tokens import Pairs, Tokenizer, Tokens, layout
from . import walks
from .payload import Numbers
from .want import Want

ATOMS = 256  # a larger molecule is refused
LETTERS = 4000  # so is a longer SMILES string, before anything is made of it
COMMON = (6, 7, 8, 9, 15, 16, 17, 35, 53)  # C N O F P S Cl Br I
ORDERS = (1, 2, 3, 12)  # single, double, triple, aromatic, as RDKit numbers bond types
FOLD = 1024  # Morgan fingerprint of `raw`
CLOCKWISE, COUNTER = 1, 2  # RDKit's ChiralType
Z, E, CIS, TRANS = 2, 3, 4, 5  # RDKit's BondStereo


@dataclass(frozen=True)
class MoleculeTokenizer(Tokenizer):
    """A SMILES string as one row per atom and one per bond, atoms first, in the order of RDKit's canonical SMILES.

    A row holds 1 (atom) or -1 (bond); of an atom: the element as one of `elements` or another (then its atomic number / 100),
    charge, hydrogens, aromatic, handedness (1 clockwise, -1 counter-clockwise as RDKit means it), isotope / 100, unpaired
    electrons; of a bond: its type as one of ORDERS or another (then RDKit's number / 10), and on which sides the neighbours
    lie (1 cis, -1 trans). What is of the other sort of row is 0. Each number has mean 0 and std 1 over the rows it is about;
    one that is rare is only stretched 20-fold. Coordinates are the two ends and the return chances of random walks (`walks`): the
    number of an atom's bonds is there, and its element is not.

    At most 256 atoms. Needs RDKit: `pip install "headstart[molecules]"`.
    """

    elements: tuple[int, ...] = COMMON
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    kind = "molecule"
    axes = ("atom", "atom", *walks.AXES)
    signal = False

    @classmethod
    def fit(cls, samples: Sequence[Sample], want: Want = Want()) -> "MoleculeTokenizer":
        """Elements that make at least one atom in a thousand; mean and spread of each number. `want` asks nothing here."""
        plain = cls()
        molecules = []
        for sample in samples:
            try:
                molecules.append(_parse(plain.fitted(sample)))
            except Unreadable:
                continue
        if not molecules:
            raise Mistake("no sample is a molecule that RDKit can read: give SMILES strings, such as CCO")
        found = Counter(atom.GetAtomicNum() for m in molecules for atom in m.GetAtoms())
        frequent = [number for number, n in found.most_common(32) if n >= 1e-3 * found.total()]
        tokenizer = cls(tuple(sorted(frequent)))
        atoms = np.concatenate([tokenizer._atoms(m) for m in molecules])
        bonds = np.concatenate([tokenizer._bonds(m)[0] for m in molecules])
        mean: list[float] = []
        std: list[float] = []
        for values in (atoms, bonds):
            spread = values.std(0) if len(values) else np.zeros(values.shape[1])
            constant = spread < 1e-6
            mean += (np.zeros_like(spread) if not len(values) else np.where(constant, 0, values.mean(0))).tolist()
            std += np.where(constant, 1, np.maximum(spread, 0.05)).tolist()
        return cls(tokenizer.elements, tuple(mean), tuple(std))

    @property
    def dim(self) -> int:
        return 1 + self._of_atom + self._of_bond

    @property
    def _of_atom(self) -> int:
        return len(self.elements) + 8

    @property
    def _of_bond(self) -> int:
        return len(ORDERS) + 3

    def fitted(self, sample: Sample) -> str:
        """The canonical SMILES. Numbers that map atoms are left out, and so is handedness that rows cannot hold.

        That is any but tetrahedral centres and double bonds, and what RDKit's own canonical form does not reproduce.
        """
        if not isinstance(sample, str):
            raise Unreadable("", f"a molecule is a SMILES string, not a {type(sample).__name__}")
        text = sample.strip()
        if not text or len(text) > LETTERS:
            raise Unreadable("", f"a SMILES string has 1 to {LETTERS:,} letters, not {len(text):,}")
        if not text.isascii() or not text.isprintable() or " " in text:
            raise Unreadable("", "a SMILES string holds plain letters without spaces")
        chem = _chem()
        first = _parse(text)
        for atom in first.GetAtoms():
            atom.SetAtomMapNum(0)
        text = _written(first)
        for stereo in (True, False):
            molecule = _parse(text)
            if not stereo:
                chem.RemoveStereochemistry(molecule)
                text = _written(molecule)
                molecule = _parse(text)
            if self._again(molecule) == text:
                return text
        raise Unreadable("", "its canonical SMILES is not stable")

    def __call__(self, sample: str) -> Tokens:
        molecule = _parse(sample)
        atoms, (bonds, ends) = self._atoms(molecule), self._bonds(molecule)
        n, m = len(atoms), len(bonds)
        mean, std = self._standard
        values = np.zeros((n + m, self.dim), np.float32)
        values[:n, 0], values[n:, 0] = 1, -1
        a = self._of_atom
        values[:n, 1 : 1 + a] = (atoms - mean[:a]) / std[:a]
        values[n:, 1 + a :] = (bonds - mean[a:]) / std[a:]
        coords = torch.from_numpy(walks.places(n, ends))
        return Tokens(torch.from_numpy(values), coords, layout((n + m,), 0, "cpu"))

    def pairs(self, tokens: Tokens) -> Pairs:
        """Bonds with their atoms, and atoms with a bond between them."""
        return walks.pairs(tokens)

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> str:
        """The canonical SMILES of the atoms and bonds in these rows; a bond whose end is not among them is left out.

        Rows that make no valid molecule give the string RDKit writes without checking it.
        """
        rows = ~tokens.slot
        values, ends = tokens.values[rows].double().cpu().numpy(), tokens.coords[rows, :2].round().long().cpu().numpy()
        bond = ends[:, 0] != ends[:, 1]
        mean, std = self._standard
        a = self._of_atom
        atoms = values[~bond, 1 : 1 + a] * std[:a] + mean[:a]
        bonds = values[bond, 1 + a :] * std[a:] + mean[a:]
        at = {int(i): new for new, i in enumerate(ends[~bond, 0])}
        there = [i for i, (x, y) in enumerate(ends[bond]) if int(x) in at and int(y) in at]
        joins = [(at[int(x)], at[int(y)]) for x, y in ends[bond][there]]
        return self._built(atoms, bonds[there], joins)

    def raw(self, sample: str) -> np.ndarray:
        """A Morgan fingerprint of radius 2 that counts, folded to 1,024; counts of elements, charges, bonds and rings."""
        molecule = _parse(sample)
        print_ = _morgan().GetCountFingerprintAsNumPy(molecule).astype(np.float32)
        rings = molecule.GetRingInfo().AtomRings()
        sizes = np.bincount([min(len(ring), 12) for ring in rings], minlength=13)[3:]
        inner = sum(molecule.GetBondWithIdx(i).GetIsAromatic() for i in range(molecule.GetNumBonds()))
        atoms, bonds = self._atoms(molecule), self._bonds(molecule)[0]
        degree = np.bincount([min(atom.GetDegree(), 6) for atom in molecule.GetAtoms()], minlength=7)
        counts = [len(atoms), len(bonds), inner, len(rings), np.abs(atoms[:, -6]).sum()]
        return np.concatenate([print_, atoms.sum(0), bonds.sum(0), sizes, degree, counts]).astype(np.float32)

    def state(self) -> Json:
        return asdict(self)

    @property
    def _standard(self) -> tuple[np.ndarray, np.ndarray]:
        n = self._of_atom + self._of_bond
        return np.array(self.mean or (0.0,) * n), np.array(self.std or (1.0,) * n)

    def _atoms(self, molecule: Any) -> np.ndarray:
        known = {number: i for i, number in enumerate(self.elements)}
        out = np.zeros((molecule.GetNumAtoms(), self._of_atom), np.float32)
        k = len(known)
        for row, atom in zip(out, molecule.GetAtoms(), strict=True):
            number = atom.GetAtomicNum()
            i = known.get(number, k)
            row[i] = 1
            if i == k:
                row[k + 1] = number / 100
            tag = int(atom.GetChiralTag())
            row[k + 2 :] = (
                atom.GetFormalCharge(),
                atom.GetTotalNumHs(),
                atom.GetIsAromatic(),
                (tag == CLOCKWISE) - (tag == COUNTER),
                atom.GetIsotope() / 100,
                atom.GetNumRadicalElectrons(),
            )
        return out

    def _bonds(self, molecule: Any) -> tuple[np.ndarray, np.ndarray]:
        out = np.zeros((molecule.GetNumBonds(), self._of_bond), np.float32)
        ends = np.zeros((len(out), 2), np.int64)
        k = len(ORDERS)
        for row, end, bond in zip(out, ends, molecule.GetBonds(), strict=True):
            order = int(bond.GetBondType())
            i = ORDERS.index(order) if order in ORDERS else k
            row[i] = 1
            if i == k:
                row[k + 1] = order / 10
            row[k + 2] = _sides(bond)
            end[:] = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        return out, ends

    def _again(self, molecule: Any) -> str:
        """What comes back of a molecule whose rows were not standardised."""
        bonds, ends = self._bonds(molecule)
        return self._built(self._atoms(molecule), bonds, [tuple(e) for e in ends.tolist()])

    def _built(self, atoms: np.ndarray, bonds: np.ndarray, ends: Sequence[tuple[int, ...]]) -> str:
        chem, k, n = _chem(), len(self.elements), len(ORDERS)
        building = chem.RWMol()
        with _quiet():
            for row in atoms.tolist():
                i = max(range(k + 1), key=row.__getitem__)
                atom = chem.Atom(self.elements[i] if i < k else _whole(100 * row[k + 1], 0, 118))
                charge, hydrogens, aromatic, hand, isotope, unpaired = row[k + 2 :]
                atom.SetFormalCharge(_whole(charge, -15, 15))
                atom.SetNumExplicitHs(_whole(hydrogens, 0, 15))
                atom.SetNoImplicit(True)
                atom.SetIsAromatic(bool(aromatic > 0.5))
                atom.SetIsotope(_whole(100 * isotope, 0, 999))
                atom.SetNumRadicalElectrons(_whole(unpaired, 0, 15))
                tag = {1: CLOCKWISE, -1: COUNTER, 0: 0}[_whole(hand, -1, 1)]
                atom.SetChiralTag(chem.ChiralType.values[tag])
                building.AddAtom(atom)
            joined = set()
            for (x, y), row in zip(ends, bonds.tolist(), strict=True):
                i = max(range(n + 1), key=row.__getitem__)
                kind = chem.BondType.values.get(ORDERS[i] if i < n else _whole(10 * row[n + 1], 0, 21))
                if x != y and (min(x, y), max(x, y)) not in joined:
                    joined.add((min(x, y), max(x, y)))
                    building.AddBond(x, y, kind)
                    building.GetBondBetweenAtoms(x, y).SetIsAromatic(int(kind) == 12)
            for (x, y), row in zip(ends, bonds.tolist(), strict=True):
                _set_sides(building.GetBondBetweenAtoms(x, y), _whole(row[n + 2], -1, 1))
            if not chem.SanitizeMol(building, catchErrors=True):
                chem.SetDoubleBondNeighborDirections(building)
                chem.AssignStereochemistry(building, cleanIt=True, force=True)
                return chem.MolToSmiles(building)
            return chem.MolToSmiles(building, canonical=False)


def _sides(bond: Any) -> int:
    """1 if the lowest-numbered neighbours on either end of a double bond lie on the same side, -1 if not, 0 unknown."""
    stereo = int(bond.GetStereo())
    if stereo not in (Z, E, CIS, TRANS):
        return 0
    same = 1 if stereo in (Z, CIS) else -1
    for told, lowest in zip(bond.GetStereoAtoms(), _neighbours(bond), strict=True):
        same *= 1 if told == lowest else -1
    return same


def _set_sides(bond: Any, same: int) -> None:
    if not same or int(bond.GetBondType()) != 2:
        return
    lowest = _neighbours(bond)
    if None not in lowest:
        bond.SetStereoAtoms(*lowest)
        bond.SetStereo(_chem().BondStereo.values[CIS if same > 0 else TRANS])


def _neighbours(bond: Any) -> tuple[int | None, int | None]:
    """The atom with the lowest number beside each end of a bond, the bond itself aside."""
    ends = bond.GetBeginAtom(), bond.GetEndAtom()
    low = [
        min((x.GetIdx() for x in end.GetNeighbors() if x.GetIdx() != other.GetIdx()), default=None)
        for end, other in (ends, ends[::-1])
    ]
    return low[0], low[1]


def _whole(value: float, low: int, high: int) -> int:
    return round(min(high, max(low, value)))


def _parse(text: str) -> Any:
    """RDKit's molecule, of 1 to ATOMS atoms."""
    chem = _chem()
    with _quiet():
        try:
            molecule = chem.MolFromSmiles(text)
        except (RuntimeError, ValueError) as error:
            raise Unreadable("", f"RDKit cannot read it ({type(error).__name__})") from error
    if molecule is None:
        raise Unreadable("", f"it is no valid SMILES string: {text[:40]}")
    if not 0 < molecule.GetNumAtoms() <= ATOMS:
        raise Unreadable("", f"a molecule has 1 to {ATOMS} atoms, not {molecule.GetNumAtoms():,}")
    return molecule


def _written(molecule: Any) -> str:
    """The canonical SMILES that, read again, is written the same; RDKit's first try is not always that."""
    text = _chem().MolToSmiles(molecule)
    for _ in range(3):
        again = _chem().MolToSmiles(_parse(text))
        if again == text:
            break
        text = again
    return text


@contextmanager
def _quiet() -> Iterator[None]:
    """RDKit says on stderr what it thinks of a molecule; here the error says it."""
    with need("rdkit.rdBase", "molecules", "reading molecules").BlockLogs():
        yield


def _chem() -> ModuleType:
    return need("rdkit.Chem", "molecules", "reading molecules")


@cache
def _morgan() -> Any:
    generator = need("rdkit.Chem.rdFingerprintGenerator", "molecules", "reading molecules")
    return generator.GetMorganGenerator(radius=2, fpSize=FOLD)
