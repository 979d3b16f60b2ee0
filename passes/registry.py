"""Every pass by name: one line each, imported when it is used."""

from __future__ import annotations

PASSES: dict[str, str] = {
    # name: "module:Class", sorted by name
}
