"""Other looks at the same sample. What a crop means is one file per modality; how many crops is here."""

from .views import Looks, multicrop, turned, turns, two_crops

__all__ = ["Looks", "multicrop", "turned", "turns", "two_crops"]
