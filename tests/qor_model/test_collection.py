"""The search for reference cycles comes back as it was."""

from __future__ import annotations

import gc

import pytest

from pom.qor_model.collection import OBJECTS, paused_collection, rare_collection


def test_collection_is_paused_and_goes_on() -> None:
    assert gc.isenabled()
    with paused_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_collection_is_rare_and_as_often_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with rare_collection():
        assert gc.get_threshold()[0] == OBJECTS
    assert gc.get_threshold() == before
    with pytest.raises(RuntimeError), rare_collection():
        raise RuntimeError
    assert gc.get_threshold() == before
