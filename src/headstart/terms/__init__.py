"""The parts of a loss: each reads encoded views from a `Scene` and returns a number. Lower case, as recipes read."""

from .autoregress import autoregress
from .classify import classify, given, which_crop
from .contrast import contrast
from .describe import describe
from .diffuse import diffuse
from .distill import distill
from .locate import locate
from .masked import masked
from .term import Meeting, Term

__all__ = [
    "Meeting",
    "Term",
    "autoregress",
    "classify",
    "contrast",
    "describe",
    "diffuse",
    "distill",
    "given",
    "locate",
    "masked",
    "which_crop",
]
