"""What was asked of the rows before any sample was seen."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Want:
    """None is chosen from the samples; what a kind of data has no use for is ignored.

    rows: about how many a sample should make. side: pixels (voxels) that a picture's (volume's) sides are brought to. patch:
    pixels, time points, residues or points in a row, along one axis. longest: items of a sample that are read (bytes,
    residues, points, notes). rate: samples per second that sound is brought to. vocab: entries of a trained vocabulary.
    """

    rows: int = 64
    side: int | None = None
    patch: int | None = None
    longest: int | None = None
    rate: int | None = None
    vocab: int | None = None
