"""Before torch is imported: one thread. Tensors here are tiny, and a second core only makes them wait for each other."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory, monkeypatch):
    """Every test stands in an empty folder of its own: what lies in the checkout does not reach it, nor it the checkout."""
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))
