"""Pragmas of HLS C++ with the loop that each stands in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pom.errors import PomError
from pom.qor_model.gnn.directive_files import Directive, pragma

_COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')', re.DOTALL)
_TOKEN = re.compile(r"(?m)^[ \t]*#[^\n]*|\"(?:\\.|[^\"\\])*\"|[A-Za-z_]\w*|::|[^\s\w]")
_PRAGMA = re.compile(r"\s*#\s*pragma\s+HLS\s+(\w+)\s*(.*)", re.IGNORECASE)
_CONDITION = re.compile(r"\s*#\s*(ifdef|ifndef|if|elif|else|endif|define)\b\s*(.*?)\s*$")
_NUMBER = re.compile(
    r"(?m)^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+\(?(\d+)\)?[ \t]*$"
    r"|\b(?:const|constexpr)\s+(?:static\s+)?(?:unsigned\s+)?int\s+(\w+)\s*=\s*(\d+)\s*;"
)
_START = re.compile(r"(\w+)\s*=")
_VALUES = re.compile(r"\b(factor|dim|II)\s*=\s*([A-Za-z_]\w*)", re.IGNORECASE)


@dataclass(slots=True)
class _Scope:
    """What a brace (or a loop without one) opened."""

    kind: str
    name: str = ""
    has_label: bool = False
    is_braced: bool = True


def pragma_directives(
    text: str, name: str, numbers: Mapping[str, str] | None = None
) -> list[Directive]:
    """Directives of a source file, those of ``main`` left out.

    A loop is named by its label, or by its variable where it has none and no other loop of the
    file has that name.

    Parameters
    ----------
    text : str
    name : str
        Of the file.
    numbers : mapping, optional
        Constants that other files define (`constants`).

    Raises
    ------
    PomError
        ``POM-Q051`` for a pragma in a condition that is not known, in a loop without a name, or
        with a value that is not known.
    """
    plain = _COMMENT.sub(_blank, text.replace("\\\r\n", "  \n").replace("\\\n", " \n"))
    known = {**(numbers or {}), **constants(plain)}
    return _Reader(name, known).read(plain)


def constants(text: str) -> dict[str, str]:
    """Names of numbers: macros and constants with an integer for a value."""
    return {m.group(1) or m.group(3): m.group(2) or m.group(4) for m in _NUMBER.finditer(text)}


def _blank(match: re.Match[str]) -> str:
    """Comments as spaces, strings as they are; lines stay where they are."""
    if match.group(1):
        return match.group(1)
    return re.sub(r"[^\n]", " ", match.group(0))


class _Reader:
    def __init__(self, file: str, numbers: Mapping[str, str]) -> None:
        self._file = file
        self._numbers = numbers
        self._scopes: list[_Scope] = []
        self._found: list[Directive] = []
        self._names: dict[str, int] = {}
        self._unlabelled: dict[str, str] = {}
        self._conditions: list[bool | None] = []

    def read(self, text: str) -> list[Directive]:
        tokens = [(m.group(0), m.start()) for m in _TOKEN.finditer(text)]
        index, callee, label = 0, "", ""
        while index < len(tokens):
            token, start = tokens[index]
            place = f"{self._file}:{text.count(chr(10), 0, start) + 1}"
            index += 1
            if token.lstrip().startswith("#"):
                self._line(token, place, tokens[index : index + 1])
                continue
            if False in self._conditions:
                continue
            following = tokens[index][0] if index < len(tokens) else ""
            if token in ("for", "while") and following == "(":
                end = _closing(tokens, index)
                header = text[tokens[index][1] : tokens[end][1]] if end < len(tokens) else ""
                index = end + 1
                self._loop(token, label, header, tokens[index : index + 1])
            elif token == "do":
                self._loop(token, label, "", tokens[index : index + 1])
            elif token == "{":
                self._open(callee)
            elif token == "}":
                self._close()
            elif token == ";":
                self._drop_unbraced()
            elif following == "(" and not self._inside():
                callee = token
            label = token if following == ":" and re.match(r"[A-Za-z_]", token) else (
                label if token == ":" else ""
            )  # fmt: skip
        for item in self._found:
            if self._names.get(item.loop, 0) > 1 and item.loop in self._unlabelled:
                raise PomError(
                    "POM-Q051", f"{item.place}: several loops over {item.loop} have no label",
                    hint="give the loops labels, and name those of the kernel file likewise",
                )  # fmt: skip
        return self._found

    def _inside(self) -> str:
        """The function around."""
        return next((s.name for s in self._scopes if s.kind == "function"), "")

    def _loop(self, word: str, label: str, header: str, following: list[tuple[str, int]]) -> None:
        first = _START.search(header) if word == "for" else None
        name = label or (first.group(1) if first else "")
        if name:
            self._names[name] = self._names.get(name, 0) + 1
        if name and not label:
            self._unlabelled[name] = name
        is_braced = bool(following) and following[0][0] == "{"
        if word == "while" and following and following[0][0] == ";":
            return  # the end of a do loop
        self._scopes.append(_Scope("loop", name, bool(label), is_braced))
        if is_braced:
            self._scopes[-1].is_braced = False  # until its brace is read
            self._scopes[-1].kind = "opening"

    def _open(self, callee: str) -> None:
        if self._scopes and self._scopes[-1].kind == "opening":
            self._scopes[-1].kind, self._scopes[-1].is_braced = "loop", True
        elif not self._inside() and callee and callee not in ("extern", "namespace"):
            self._scopes.append(_Scope("function", callee))
        else:
            self._scopes.append(_Scope("block"))

    def _close(self) -> None:
        if self._scopes:
            self._scopes.pop()
        self._drop_unbraced()

    def _drop_unbraced(self) -> None:
        """Loops whose body was one statement end with it."""
        while self._scopes and self._scopes[-1].kind == "loop" and not self._scopes[-1].is_braced:
            self._scopes.pop()

    def _line(self, line: str, place: str, following: list[tuple[str, int]]) -> None:
        match = _CONDITION.match(line)
        if match:
            self._condition(match.group(1), match.group(2), following)
            return
        found = _PRAGMA.match(line)
        if found is None or False in self._conditions or self._inside() == "main":
            return
        if None in self._conditions:
            raise PomError(
                "POM-Q051", f"{place}: whether this pragma counts depends on a macro",
                hint="give the sources after the preprocessor, or without the condition",
            )  # fmt: skip
        loop = next((s for s in reversed(self._scopes) if s.kind == "loop"), None)
        if loop is not None and not loop.name:
            raise PomError("POM-Q051", f"{place}: the loop around has no label")
        words = _VALUES.sub(
            lambda m: f"{m.group(1)}={self._numbers.get(m.group(2), m.group(2))}", found.group(2)
        )
        name = loop.name if loop is not None else ""
        self._found.append(pragma(found.group(1), words, name, place))

    def _condition(self, word: str, what: str, following: list[tuple[str, int]]) -> None:
        """Whether the lines that follow count: yes, no, or not known (None)."""
        is_tool = re.fullmatch(r"(?:defined\s*\(?\s*)?__(?:SYNTHESIS|VITIS_HLS)__\s*\)?", what)
        match word:
            case "ifdef" | "if":
                self._conditions.append(True if is_tool or what == "1" else (
                    False if what == "0" or re.fullmatch(r"!\s*defined\W*__SYNTHESIS__\W*", what)
                    else None
                ))  # fmt: skip
            case "ifndef":
                after = following[0][0] if following else ""
                guard = re.match(rf"\s*#\s*define\s+{re.escape(what)}\b", after)
                self._conditions.append(False if is_tool else True if guard else None)
            case "else" | "elif" if self._conditions:
                now = self._conditions.pop()
                self._conditions.append(None if now is None or word == "elif" else not now)
            case "endif" if self._conditions:
                self._conditions.pop()


def _closing(tokens: list[tuple[str, int]], index: int) -> int:
    """Index of the parenthesis that closes the one at `index`."""
    depth = 0
    for place in range(index, len(tokens)):
        depth += (tokens[place][0] == "(") - (tokens[place][0] == ")")
        if not depth:
            return place
    return len(tokens)
