"""From samples to batches: read once, in which order, packed into rows."""
