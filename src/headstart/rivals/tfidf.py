"""TF-IDF: the words, pairs of words and letters in a row that a text has more often than others do.

scikit-learn's TfidfVectorizer, counts damped by a logarithm. Signs (+=, ...) are words, too. The vocabulary is the commonest
20,000 words and pairs, and as many runs of two to four letters, of text within words (and so languages without spaces have
something to be told by). A page is its words in reading order, and a small picture of it if it has one.
"""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image
from scipy import sparse

from ..forms import Sample
from ..tokens import Tokenizer
from . import LENGTH, Matrix, Vectors, factor, rival, spread

MOST = 20_000  # terms of each sort
LEARN, ROOM = 20_000, 10_000_000  # samples, and letters or other terms of these, that a vocabulary is from
SIGNS = r"(?u)\w+|[^\w\s]+"
THUMB = 16  # pixels along a side of a page's picture


@rival("TF-IDF + linear", kinds=("text", "code", "document"))
def tfidf(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
    """[n, F] of the terms of these samples."""
    code, page = tokenizer.kind == "code", tokenizer.kind == "document"
    texts = [_text(sample) for sample in spread(samples, LEARN, lambda sample: len(_text(sample)), ROOM)]
    parts = [weighed(texts, token_pattern=SIGNS, ngram_range=(1, 2), lowercase=not code)]
    parts.append(weighed(texts, analyzer="char" if code else "char_wb", ngram_range=(2, 4), lowercase=not code))

    def vectors(asked: Sequence[Sample]) -> Matrix:
        texts = [_text(sample) for sample in asked]
        found = [part(texts) for part in parts]
        if page:
            found.append(sparse.csr_matrix(np.stack([_thumb(sample) for sample in asked])))
        return sparse.csr_matrix(sparse.hstack(found), dtype=np.float32)

    return vectors


def weighed(samples: Sequence[Sample], **how: object) -> Callable[[Sequence[Sample]], Matrix]:
    """TF-IDF learnt from these, as long as other rivals' rows are; one empty column where they have no term at all."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    model = TfidfVectorizer(max_features=MOST, sublinear_tf=True, dtype=np.float32, **how)
    try:
        scale = np.float32(factor(sparse.csr_matrix(model.fit_transform(samples))))
    except ValueError:  # an empty vocabulary
        return lambda asked: sparse.csr_matrix((len(asked), 1), dtype=np.float32)
    return lambda asked: sparse.csr_matrix(model.transform(asked)) * scale


def _text(sample: Sample) -> str:
    return " ".join(sample["words"]) if isinstance(sample, dict) else sample


def _thumb(page: Sample) -> np.ndarray:
    """[256] grey in about -1..1, all 0 without a picture; as much as the words in all."""
    if page["page"] is None:
        return np.zeros(THUMB * THUMB, np.float32)
    small = Image.fromarray(page["page"][0]).resize((THUMB, THUMB), Image.Resampling.BOX)
    return ((np.asarray(small, np.float32) / 127.5 - 1) * np.float32(LENGTH / THUMB)).ravel()
