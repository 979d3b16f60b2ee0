"""Fixtures of several tests of passes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pom.passes import isl_build


@pytest.fixture(scope="module")
def unlimited() -> Iterator[None]:
    """What is decided from a definition is, however long it takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isl_build, "_MOST_OPERATIONS", 0)
        yield
