"""Other looks at the same sample. What a crop means is one file per modality; how many crops is here."""

from .views import multicrop

__all__ = ["multicrop"]
