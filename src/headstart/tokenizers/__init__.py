"""Each kind of data as rows with coordinates: one file per modality, one contract (`check_tokenizer`)."""

from .image import ImageTokenizer
from .series import SeriesTokenizer
from .text import TextTokenizer

__all__ = ["ImageTokenizer", "SeriesTokenizer", "TextTokenizer"]
