"""Probes put to work: vectors of samples, of their rows and of their parts, and what was said of them side by side."""
