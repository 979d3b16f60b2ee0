"""Every error code is stable, belongs to one area, and is expected by at least one test."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = re.compile(r"POM-([A-Z])(\d{3})\b")
SOURCES = ("pom", "dialects", "passes", "qor_model", "dse")
AREAS = {
    "D": ("pom/",),
    "G": ("dialects/", "passes/"),
    "P": ("dialects/", "passes/"),
    "A": ("dialects/", "passes/", "pom/runtime/"),
    "S": ("passes/", "pom/"),
    "C": ("pom/codegen/", "pom/runtime/"),
    "R": ("pom/", "passes/"),
    "Q": ("qor_model/", "pom/"),
    "X": ("dse/", "pom/"),
    "U": ("pom/", "passes/", "dialects/"),
}


def codes(folders: tuple[str, ...]) -> dict[str, set[str]]:
    """Where each code is written as a string."""
    found: dict[str, set[str]] = {}
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for match in CODE.finditer(text):
                found.setdefault(match.group(), set()).add(str(path.relative_to(ROOT)))
    return found


def test_every_code_is_expected_by_a_test():
    raised = {
        code
        for folder in SOURCES
        for path in (ROOT / folder).rglob("*.py")
        for code in re.findall(r'"(POM-[A-Z]\d{3})"', path.read_text(encoding="utf-8"))
    }
    # tests may leave the prefix out of a table of codes
    tested = {
        f"POM-{code}"
        for path in (ROOT / "tests").rglob("*.py")
        for code in re.findall(r"\b([A-Z]\d{3})\b", path.read_text(encoding="utf-8"))
    }
    assert sorted(raised - tested) == []


def test_codes_are_in_their_area():
    for code, places in codes(SOURCES).items():
        allowed = AREAS[code[4]]
        wrong = [p for p in places if not p.startswith(allowed)]
        assert not wrong, (code, wrong)
