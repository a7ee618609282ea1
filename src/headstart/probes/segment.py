"""A linear map from few labelled rows names every row: how plainly an encoder says what stands where.

Linear segmentation as it is usual for frozen encoders (DINOv2, Oquab et al. 2023, 7.4), at the resolution of rows, by the
logistic regression of `linear`. The mean over classes of intersection over union is counted over all judging rows together;
rows of one sample hang together, so the interval is that of as many judges as there are samples.
"""

from collections.abc import Iterator

import numpy as np

from . import Figure, Split, probe
from ._marking import iou
from .linear import fitted


@probe(of="rows", asked=True)
def segment(split: Split) -> Iterator[tuple[str, Figure]]:
    """segment-<n>-IoU for each of the counts of labelled rows; quantities have no classes and so no figure."""
    if split.quantity:
        return
    classes, want = np.unique(split.y), split.y[split.judges]
    share = np.array([(want == c).mean() for c in classes])
    there = share[share > 0]
    chance = max(float((there / (2 - there)).mean()), float(there.max() / len(there)))  # a guess; always the commonest
    for count in split.counts:
        answers = np.stack(list(split.answers(fitted, count, classes)))
        said = (answers.argmax(2)[:, :, None] == np.arange(len(classes))).astype(np.float64)
        figure = split.marked(lambda x: iou(x, want, classes), said, chance, min(count, split.learnt))
        yield f"segment-{count}-IoU", figure
