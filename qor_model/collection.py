"""Without the search for cycles while a batch of designs is estimated."""

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
