"""Extended-connectivity fingerprints (Rogers & Hahn 2010): which atoms with their surroundings up to two bonds away a
molecule has."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from ..extras import need
from ..forms import Sample
from ..tokens import Tokenizer
from . import Matrix, Vectors, factor, rival, spread

RADIUS, BITS = 2, 2048


@rival("counted ECFP + linear", kinds=("molecule",))
def ecfp(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
    """[n, 2048] counts, all times one number: Morgan fingerprints of radius 2 by RDKit. What it cannot read has none. (Of 0
    and 1 a linear model makes much less: docs/log.md.)"""
    chem = need("rdkit.Chem", "molecules", "fingerprints of molecules")
    generators = need("rdkit.Chem.rdFingerprintGenerator", "molecules", "fingerprints of molecules")
    log = need("rdkit.rdBase", "molecules", "fingerprints of molecules")
    morgan = generators.GetMorganGenerator(radius=RADIUS, fpSize=BITS)

    def prints(asked: Sequence[str]) -> Matrix:
        with log.BlockLogs():  # it says on stderr what it thinks of a molecule
            read = [chem.MolFromSmiles(smiles) for smiles in asked]
        counts = [np.zeros(BITS, np.float32) if m is None else morgan.GetCountFingerprintAsNumPy(m) for m in read]
        return sparse.csr_matrix(np.stack(counts).astype(np.float32))

    scale = factor(prints(spread(samples, 1000)))
    return lambda asked: prints(asked) * np.float32(scale)
