"""Where measured labels are, for the tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
KERNELS = _ROOT / "qor_model" / "data" / "kernels"


def labels(name: str) -> Path:
    """The label file, or skip: labels are measured by others and not part of the project."""
    folder = Path(os.environ.get("POM_LABELS", _ROOT.parent / "shared" / "data"))
    path = folder / name
    if not path.is_file():
        pytest.skip(f"no measured labels at {path}; set POM_LABELS to the folder that has them")
    return path
