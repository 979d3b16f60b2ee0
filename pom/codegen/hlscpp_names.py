"""C++ identifiers: never a keyword or a macro, unique in their scope, stable."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pom.codegen.hlscpp_helpers import HELPERS

KEYWORDS = frozenset(
    [
        "alignas",
        "alignof",
        "and",
        "and_eq",
        "asm",
        "auto",
        "bitand",
        "bitor",
        "bool",
        "break",
        "case",
        "catch",
        "char",
        "char8_t",
        "char16_t",
        "char32_t",
        "class",
        "co_await",
        "co_return",
        "co_yield",
        "compl",
        "concept",
        "const",
        "const_cast",
        "consteval",
        "constexpr",
        "constinit",
        "continue",
        "decltype",
        "default",
        "delete",
        "do",
        "double",
        "dynamic_cast",
        "else",
        "enum",
        "explicit",
        "export",
        "extern",
        "false",
        "float",
        "for",
        "friend",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "mutable",
        "namespace",
        "new",
        "noexcept",
        "not",
        "not_eq",
        "nullptr",
        "operator",
        "or",
        "or_eq",
        "private",
        "protected",
        "public",
        "register",
        "reinterpret_cast",
        "requires",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "static_assert",
        "static_cast",
        "struct",
        "switch",
        "template",
        "this",
        "thread_local",
        "throw",
        "true",
        "try",
        "typedef",
        "typeid",
        "typename",
        "typeof",
        "union",
        "unsigned",
        "using",
        "virtual",
        "void",
        "volatile",
        "wchar_t",
        "while",
        "xor",
        "xor_eq",
    ]
)
"""Words that C++ (up to C++20) keeps for itself."""

RESERVED = frozenset(
    [
        *HELPERS,
        "NULL",
        "EOF",
        "INFINITY",
        "NAN",
        "HUGE_VAL",
        "HUGE_VALF",
        "RAND_MAX",
        "BUFSIZ",
        "CHAR_BIT",
        "INT_MIN",
        "INT_MAX",
        "errno",
        "stdin",
        "stdout",
        "stderr",
        "assert",
        "linux",
        "unix",
        "i386",
        "std",
        "hls",
        "half",
        "ap_int",
        "ap_uint",
        "ap_fixed",
        "ap_ufixed",
        "AP_TRN",
        "AP_WRAP",
        "INLINE",
        "main",
    ]
)
"""Macros and names of the headers that generated code includes."""

C_LIBRARY = frozenset(
    [
        "abort",
        "abs",
        "acos",
        "asin",
        "atan",
        "atan2",
        "atof",
        "atoi",
        "calloc",
        "ceil",
        "clock",
        "cos",
        "cosh",
        "div",
        "erf",
        "exit",
        "exp",
        "exp2",
        "fabs",
        "fdim",
        "floor",
        "fma",
        "fmax",
        "fmin",
        "fmod",
        "free",
        "frexp",
        "gamma",
        "getenv",
        "hypot",
        "j0",
        "j1",
        "jn",
        "ldexp",
        "log",
        "log10",
        "log2",
        "lgamma",
        "malloc",
        "memcpy",
        "memmove",
        "memset",
        "modf",
        "pow",
        "printf",
        "puts",
        "qsort",
        "rand",
        "read",
        "realloc",
        "remainder",
        "remove",
        "rename",
        "rint",
        "round",
        "signal",
        "sin",
        "sinh",
        "sleep",
        "sqrt",
        "srand",
        "strlen",
        "system",
        "tan",
        "tanh",
        "tgamma",
        "time",
        "trunc",
        "write",
        "y0",
        "y1",
        "yn",
    ]
)
"""Functions of the C library: a global function of the same name would clash with them."""


def identifier(name: str) -> str:
    """`name` as a C++ identifier: other characters become ``_``, a taken word gets ``_`` after it.

    >>> identifier("int"), identifier("2mm"), identifier("A.x")
    ('int_', '_2mm', 'A_x')
    """
    text = re.sub(r"[^A-Za-z0-9_]", "_", name) or "_"
    if text[0].isdigit():
        text = f"_{text}"
    text = re.sub(r"__+", "_", text)
    if re.match(r"_[A-Z]", text):
        text = f"v{text}"
    return f"{text}_" if text in KEYWORDS or text in RESERVED else text


def function_name(name: str) -> str:
    """`name` as the name of a global function."""
    text = identifier(name)
    return f"{text}_" if text in C_LIBRARY else text


class Scope:
    """Names of a C++ block; a name is new when no enclosing block has it."""

    def __init__(self, taken: Iterable[str] = (), parent: Scope | None = None) -> None:
        self._taken = set(taken)
        self._parent = parent

    def __contains__(self, name: str) -> bool:
        return name in self._taken or (self._parent is not None and name in self._parent)

    def fresh(self, wish: str) -> str:
        """`wish`, or ``wish_2``, ``wish_3`` …, as a name of this scope."""
        base = identifier(wish)
        name, count = base, 1
        while name in self:
            count += 1
            name = f"{base}_{count}" if not base.endswith("_") else f"{base}{count}"
        self._taken.add(name)
        return name

    def inner(self) -> Scope:
        """The scope of a nested block."""
        return Scope(parent=self)
