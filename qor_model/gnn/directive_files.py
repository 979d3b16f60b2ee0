"""The directives that a design was synthesised with, from the files that the tools leave.

Three places can have them: Tcl scripts (``set_directive_pipeline -II 1 "top/loop"``), configuration
files since Vitis 2023 (``syn.directive.pipeline=top/loop II=1``), and pragmas in the sources
(`pom.qor_model.gnn.pragmas`).  What a label cannot say is kept as text and not left out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pom.errors import PomError
from pom.qor_model.region import LoopDirectives, PartitionKind

_FLAGS = frozenset({"off", "rewind", "skip_exit_check", "region", "recursive", "force"})
"""Tcl options without a value."""
_NO_EFFECT = frozenset({"loop_tripcount", "top", "inline", "interface", "protocol"})
"""What changes neither the loops nor the banks of a design."""
_TCL = re.compile(r"^\s*set_directive_(\w+)\s+(.*?)\s*(?:;\s*(?:#.*)?)?$")
_CFG = re.compile(r"^\s*syn\.directive\.(\w+)\s*=\s*(.*?)\s*$")
_PIPELINE_LOOPS = re.compile(
    r"^\s*(?:config_compile\b.*?-pipeline_loops\s+|syn\.compile\.pipeline_loops\s*=\s*)(\d+)"
)


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive.

    Parameters
    ----------
    name : str
        ``pipeline``, ``unroll``, ``loop_flatten``, ``array_partition``, … in lower case.
    loop : str
        Label of the loop; empty for a function.
    array : str
        What it is about, for a directive of an array.
    options : tuple of (str, str)
        In lower case; an option without a value has an empty one.
    place : str
        File and line, for messages.
    """

    name: str
    loop: str
    array: str
    options: tuple[tuple[str, str], ...]
    place: str

    def option(self, name: str) -> str | None:
        """The value of an option; None if it is not given."""
        return dict(self.options).get(name)

    def text(self) -> str:
        """As words, for a label that cannot say it."""
        about = [t for t in (self.loop, self.array) if t]
        options = [f"{k}={v}" if v else k for k, v in self.options]
        return " ".join([self.name, *about, *options])


@dataclass(slots=True)
class Directives:
    """Everything that was asked of a design.

    Attributes
    ----------
    loops : dict
        By label.
    partitions : dict
        Kind and factor by array and dimension (1 is the first, 0 all of them, -1 not given).
    other : list of str
        What neither of these can say.
    pipeline_loops : int or None
        ``config_compile -pipeline_loops``, if it was set.
    """

    loops: dict[str, LoopDirectives] = field(default_factory=dict)
    partitions: dict[tuple[str, int], tuple[PartitionKind, int]] = field(default_factory=dict)
    other: list[str] = field(default_factory=list)
    pipeline_loops: int | None = None
    _asked: dict[tuple[str, str], Directive] = field(default_factory=dict)

    def add(self, found: Iterable[Directive]) -> None:
        """Add directives.

        Raises
        ------
        PomError
            ``POM-Q051`` if one contradicts another, or has a value that cannot be read.
        """
        for item in found:
            self._add(item)

    def _add(self, item: Directive) -> None:
        if item.name == "array_partition" and item.array:
            self._partition(item)
            return
        if item.name in ("pipeline", "unroll", "loop_flatten") and item.loop:
            before = self._asked.setdefault((item.name, item.loop), item)
            if before.options != item.options:
                raise _contradiction(before.place, item)
            loop = self.loops.get(item.loop, LoopDirectives())
            self.loops[item.loop] = _with(loop, item)
            if set(dict(item.options)) <= {"ii", "off", "factor", "style"}:
                return
        is_memory = "storage_type" in dict(item.options) or item.option("mode") == "m_axi"
        is_silent = item.name in _NO_EFFECT and not is_memory and "m_axi" not in dict(item.options)
        if not is_silent and item.text() not in self.other:
            self.other.append(item.text())

    def _partition(self, item: Directive) -> None:
        words = dict(item.options)
        kinds = [k for k in PartitionKind if words.get("type") == k or k.value in words]
        kind = kinds[0] if kinds else PartitionKind.COMPLETE
        factor = 0 if kind is PartitionKind.COMPLETE else _number(item, "factor")
        dim = _number(item, "dim") if "dim" in words else -1
        if factor == 1:
            return
        wanted = (kind, factor)
        if self.partitions.setdefault((item.array, dim), wanted) != wanted:
            raise _contradiction("another line", item)


def _with(loop: LoopDirectives, item: Directive) -> LoopDirectives:
    is_off = item.option("off") is not None
    match item.name:
        case "pipeline":
            ii = _number(item, "ii") if item.option("ii") and not is_off else None
            return LoopDirectives(not is_off, ii, loop.unroll, loop.flatten)
        case "unroll":
            factor = _number(item, "factor") if item.option("factor") else 0
            return LoopDirectives(loop.pipeline, loop.ii, 1 if is_off else factor, loop.flatten)
        case _:
            return LoopDirectives(loop.pipeline, loop.ii, loop.unroll, not is_off)


def _number(item: Directive, name: str) -> int:
    value = item.option(name)
    if value is None or not re.fullmatch(r"\d+", value):
        raise PomError(
            "POM-Q051", f"{item.place}: {item.text()}: {name} is {value or 'missing'}, not a number",
            hint="write the number; variables of a script are not evaluated",
        )  # fmt: skip
    return int(value)


def _contradiction(before: str, item: Directive) -> PomError:
    return PomError(
        "POM-Q051", f"{item.place}: {item.text()} contradicts {before}",
        hint="give each solution a folder of its own",
    )  # fmt: skip


def tcl_directives(text: str, name: str) -> list[Directive]:
    """Directives of a Tcl script, by their lines.

    Raises
    ------
    PomError
        ``POM-Q051`` for a directive that cannot be read.
    """
    found = []
    for number, line in enumerate(text.replace("\\\n", "  ").splitlines(), 1):
        match = _TCL.match(line)
        if match:
            place = f"{name}:{number}"
            found.append(_directive(match.group(1), _words(match.group(2), place), place))
    return found


def cfg_directives(text: str, name: str) -> list[Directive]:
    """Directives of a configuration file, by their lines.

    Raises
    ------
    PomError
        ``POM-Q051`` for a directive that cannot be read.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _CFG.match(line)
        if match:
            place = f"{name}:{number}"
            found.append(_directive(match.group(1), _words(match.group(2), place), place))
    return found


def pipeline_loops(text: str) -> int | None:
    """The threshold of automatic pipelining that a script or configuration sets."""
    values = [m.group(1) for line in text.splitlines() if (m := _PIPELINE_LOOPS.match(line))]
    return int(values[-1]) if values else None


def _words(text: str, place: str) -> list[str]:
    try:
        return shlex.split(text.replace("{", '"').replace("}", '"'), comments=True)
    except ValueError as error:
        raise PomError("POM-Q051", f"{place}: {text!r} cannot be read: {error}") from error


def _directive(name: str, words: list[str], place: str) -> Directive:
    """``-option value`` and ``option=value`` in any order, then the place and the array."""
    options: dict[str, str] = {}
    free: list[str] = []
    rest = iter(words)
    for word in rest:
        if word.startswith("-") and len(word) > 1:
            key = word[1:].lower()
            options[key] = "" if key in _FLAGS else next(rest, "").lower()
        elif "=" in word:
            key, _, value = word.partition("=")
            options[key.lower()] = value.lower()
        elif word.lower() in _FLAGS or word.lower() in list(PartitionKind):
            options[word.lower()] = ""
        else:
            free.append(word)
    if not free or len(free) > 2:
        raise PomError("POM-Q051", f"{place}: {name} of {' '.join(words)!r} has no place")
    if name.lower() == "array_partition" and len(free) < 2 and "variable" not in options:
        raise PomError("POM-Q051", f"{place}: array_partition names no array")
    where = free[0].partition("/")[2].rpartition("/")[2]
    array = free[1] if len(free) > 1 else options.pop("variable", "")
    return Directive(name.lower(), where, array, _sorted(options), place)


def _sorted(options: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(options.items()))


def pragma(name: str, words: str, loop: str, place: str) -> Directive:
    """The directive that a pragma is, inside of `loop`.

    Parameters
    ----------
    name, words : str
        ``#pragma HLS name words``.
    loop : str
        Label of the loop around; empty outside of loops.
    place : str
        File and line.
    """
    options: dict[str, str] = {}
    array = ""
    for word in re.sub(r"\s*=\s*", "=", words).split():
        key, _, value = word.partition("=")
        if key.lower() in ("variable", "port"):
            array = value
        else:
            options[key.lower()] = value.lower()
    where = "" if name.lower() == "array_partition" else loop
    return Directive(name.lower(), where, array, _sorted(options), place)
