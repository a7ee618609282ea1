"""Before torch is imported: one thread. Tensors here are tiny, and a second core only makes them wait for each other."""

import os
from functools import partial
from unittest import mock

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="session")
def _plans_of_four_steps():
    """Plans are made of four timed steps, however short they are, not of three seconds of them."""
    from headstart.planning import choosing, timing

    with mock.patch.object(choosing, "time_steps", partial(timing.time_steps, at_least=0.0)):
        yield


@pytest.fixture(autouse=True, scope="session")
def _one_strength():
    """Linear probes look for no strength, which is nine fits of ten, but in tests that are marked `searched`. Gives all."""
    from headstart.probes import linear

    every = linear.STRENGTHS
    with mock.patch.object(linear, "STRENGTHS", every[len(every) // 2 :][:1]):
        yield every


@pytest.fixture(autouse=True)
def _searched(request, monkeypatch, _one_strength):
    if request.node.get_closest_marker("searched"):
        monkeypatch.setattr("headstart.probes.linear.STRENGTHS", _one_strength)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory, monkeypatch):
    """Every test stands in an empty folder of its own: what lies in the checkout or in the user's cache does not reach it, nor it
    these. Nothing is kept, as it depends on the clock what is; tests of the cache switch it on."""
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0")
