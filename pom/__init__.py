"""POM: kernels written in Python become checked FPGA accelerators."""

from __future__ import annotations

from pathlib import Path

__version__ = "0.1.0"

_ROOT = Path(__file__).resolve().parent.parent
if (_ROOT / "pyproject.toml").is_file():
    # In a checkout the sub-packages pom.dialects, pom.passes, pom.qor_model and pom.dse are the
    # top-level folders beside this one.
    __path__.append(str(_ROOT))
