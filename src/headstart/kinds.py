"""The kinds of data there are: for each a file of its name in `tokenizers/` and in `augment/`."""

KINDS = (
    *("image", "multispectral", "video", "volume", "audio", "series", "text", "code", "table", "events", "protein"),
    *("molecule", "graph", "points", "splats", "field", "trajectory", "packets", "music", "document"),
)
