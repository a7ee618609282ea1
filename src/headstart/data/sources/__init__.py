"""Samples by number, whatever they lie in: arrays, lists, files, tables; several sources as one, and one cut into windows."""
