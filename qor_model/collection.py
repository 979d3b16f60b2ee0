"""Without the search for cycles, or with little of it, while many designs are estimated."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collection() -> Iterator[None]:
    """Pause Python's search for reference cycles.

    Notes
    -----
    Schedules and graphs are trees of immutable values: reference counts free them. But there are
    hundreds of thousands, and the more are kept, the longer each search for cycles takes, a third
    of the time of a batch.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


OBJECTS = 50_000
"""Objects that are made and kept between two searches for cycles in `rare_collection`."""


@contextmanager
def rare_collection() -> Iterator[None]:
    """Let Python search for reference cycles seldom: as `paused_collection`, for as long as one likes.

    Notes
    -----
    The few cycles that a search for designs leaves take a few megabytes between two collections.
    """
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
