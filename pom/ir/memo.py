"""Immutable values that compute their hash once.

Programs are trees of values, and hundreds of caches have them in their keys. A hash that walks the
tree each time costs more than what most of the caches save.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

_Class = TypeVar("_Class", bound=type)


class Memo:
    """A place for the hash of a value that has slots.

    It is not a field: other processes hash text differently, so it is neither pickled nor compared.
    """

    __slots__ = ("_hash",)

    _hash: int


def hashed_once(cls: _Class) -> _Class:
    """Make instances of a frozen dataclass, which has `Memo` as a base, keep their hash."""
    computed = cast(Callable[[Memo], int], cls.__hash__)

    def __hash__(self: Memo) -> int:
        try:
            return self._hash
        except AttributeError:
            found = computed(self)
            object.__setattr__(self, "_hash", found)
            return found

    cls.__hash__ = __hash__  # type: ignore[method-assign, assignment]
    return cls
