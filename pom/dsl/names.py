"""Names that a kernel may use: everything that C++, isl and the HLS tools leave free."""

from __future__ import annotations

import difflib
import keyword
from collections.abc import Iterable

from pom.errors import PomError
from pom.ir.location import Location


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CPP_KEYWORDS = _words(
    """alignas alignof and and_eq asm atomic_cancel atomic_commit atomic_noexcept auto bitand bitor
    bool break case catch char char8_t char16_t char32_t class compl concept const consteval
    constexpr constinit const_cast continue co_await co_return co_yield decltype default delete do
    double dynamic_cast else enum explicit export extern false float for friend goto if inline int
    long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected
    public reflexpr register reinterpret_cast requires restrict return short signed sizeof static
    static_assert static_cast struct switch synchronized template this thread_local throw true try
    typedef typeid typename typeof union unsigned using virtual void volatile wchar_t while xor
    xor_eq"""
)
"""C++20 keywords, and those of C and GNU that the tools also take."""

ISL_KEYWORDS = _words(
    """exists and or implies not infty infinity nan min max rat true false ceild floord mod ceil
    floor"""
)
"""Words of isl's set notation, which knows no case."""

MACROS_AND_TYPES = _words(
    """linux unix i386 NULL EOF NAN INFINITY INT_MAX INT_MIN assert errno stdin stdout stderr
    std hls half main size_t int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t
    signbit isnan isinf isfinite"""
)
"""Names that the generated C++ or its headers already use."""

C_LIBRARY = _words(
    """abs acos acosh asin asinh atan atan2 atanh cbrt ceil cos cosh erf exp exp2 expm1 fabs fdim
    floor fma fmax fmin fmod frexp gamma hypot j0 j1 jn ldexp lgamma log log10 log1p log2 logb modf
    pow remainder rint round scalb sin sinh sqrt tan tanh tgamma trunc y0 y1 yn div index rindex
    abort atexit atof atoi atol bsearch calloc exit free getenv labs ldiv malloc qsort rand random
    realloc srand system time clock signal read write open close link printf puts select"""
)
"""Functions of the C library, which a kernel's name would redeclare (an array's only hides)."""


def check_name(name: object, what: str, location: Location | None) -> str:
    """`name` if it can be used for `what` in every level, else `PomError`."""
    if not isinstance(name, str) or not name.isidentifier() or not name.isascii():
        raise PomError(
            "POM-D010",
            f"{name!r} cannot be the name of {what}",
            location,
            "use ASCII letters, digits and underscores, and begin with a letter",
        )
    reason = _reserved(name, what)
    if reason:
        raise PomError(
            "POM-D011",
            f"{name!r} cannot be the name of {what}: {reason}",
            location,
            f"call it for example {suggestion(name)!r}",
        )
    return name


def _reserved(name: str, what: str) -> str | None:
    if keyword.iskeyword(name):
        return "it is a Python keyword"
    if name in CPP_KEYWORDS:
        return "it is a C++ keyword"
    if name.lower() in ISL_KEYWORDS:
        return "it is a reserved word of the polyhedral notation"
    if name in MACROS_AND_TYPES:
        return "the generated C++ or its headers use it"
    if name.startswith("_") or "__" in name:
        return "names with a leading or a double underscore are reserved in C++"
    if name.startswith(("ap_", "AP_")):
        return "names that begin with 'ap_' belong to the HLS tool"
    if what == "a kernel" and name in C_LIBRARY:
        return "the C library has a function of this name"
    return None


def suggestion(name: str) -> str:
    """A free name like `name`."""
    stem = name.strip("_").replace("__", "_").removeprefix("ap_").removeprefix("AP_") or "x"
    return f"{stem}_0" if stem == name or _reserved(stem, "a kernel") else stem


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """``did you mean 'x'?`` for the closest of `known`, or None."""
    listed = sorted(known)
    close = difflib.get_close_matches(name, listed, n=1, cutoff=0.6)
    if not close:
        lowered = {k.lower(): k for k in listed}
        close = [lowered[c] for c in difflib.get_close_matches(name.lower(), list(lowered), n=1)]
    return f"did you mean {close[0]!r}?" if close else None
