"""Samples as people look at them: a drawing for every kind of data, on one page that needs nothing else."""
