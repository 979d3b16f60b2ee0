"""Kernels from files: ``FILE.py[:KERNEL]``."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pom.dsl.kernel import KernelFunction
from pom.dsl.locate import traceback_location
from pom.dsl.names import did_you_mean
from pom.errors import PomError
from pom.ir.location import Location


def load_kernel(text: str | Path, size: str | None = None) -> KernelFunction:
    """The kernel that ``FILE.py[:KERNEL]`` names.

    Parameters
    ----------
    text : str
        A path, and the kernel's name after a colon. Without a name, the file's only kernel is
        meant, or the one that is called like the file.
    size : str, optional
        One of the file's ``SIZES``: ``make(size)`` of the file makes the kernel that is called
        like it at module level, ``make_<kernel>(size)`` any other.

    Raises
    ------
    PomError
        The file is missing, is not Python, raises, or has no such kernel or size.
    """
    path, name = _split(str(text))
    module = load_module(path)
    found = _kernels(module, path)
    if not found:
        raise PomError(
            "POM-D073", f"{path} defines no kernel", None, "decorate a function with @pom.kernel"
        )
    chosen = _choose(found, path, name)
    return found[chosen] if size is None else _sized(module, path, found[chosen], size)


def _split(text: str) -> tuple[Path, str | None]:
    head, colon, tail = text.rpartition(":")
    if colon and head and not Path(text).exists() and not set(tail) & set("/\\"):
        return Path(head), tail
    return Path(text), None


def load_module(path: Path, names: Mapping[str, object] | None = None) -> ModuleType:
    """Run a kernel file as a module of its own, which sees `names` from the start.

    Raises
    ------
    PomError
        The file cannot be read, is not Python, or raises.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise PomError(
            "POM-D070", f"cannot read {path}: {error.strerror}", None, _near(path)
        ) from error
    linecache.checkcache(str(path))
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    module.__dict__.update(names or {})
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except PomError:
        raise
    except SyntaxError as error:
        raise _syntax_error(path, error) from error
    except (Exception, SystemExit) as error:
        # The file is the user's code: whatever it raises is reported at its line.
        raise PomError(
            "POM-D072",
            f"{path.name} raised {type(error).__name__}: {error}",
            traceback_location(error.__traceback__, str(path)),
        ) from error
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
    return module


def _syntax_error(path: Path, error: SyntaxError) -> PomError:
    line = error.lineno or 1
    start = max((error.offset or 1) - 1, 0)
    same_line = error.end_lineno in (None, line)
    end = (error.end_offset or 0) - 1 if same_line else 0
    return PomError(
        "POM-D071",
        f"{path.name} is not Python: {error.msg}",
        Location(error.filename or str(path), line, start, max(end, start + 1 if same_line else 0)),
    )


def _near(path: Path) -> str | None:
    try:
        beside = [p.name for p in path.parent.iterdir() if p.suffix == ".py"]
    except OSError:
        return f"there is no folder {str(path.parent)!r}"
    return did_you_mean(path.name, beside)


def _kernels(module: ModuleType, path: Path) -> dict[str, KernelFunction]:
    """The module's kernels by variable name; those that it imports only if it has no other."""
    every = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, KernelFunction) and not name.startswith("_")
    }
    own = {
        name: value
        for name, value in every.items()
        if value.__wrapped__.__code__.co_filename == str(path)
    }
    return own or every


def _choose(found: dict[str, KernelFunction], path: Path, name: str | None) -> str:
    aliases = {kernel.name: variable for variable, kernel in reversed(found.items())}
    aliases |= {variable: variable for variable in found}
    if name is not None:
        if name in aliases:
            return aliases[name]
        raise PomError(
            "POM-D075",
            f"{path.name} has no kernel {name!r}",
            None,
            did_you_mean(name, aliases) or f"it has {', '.join(sorted(found))}",
            (f"kernels: {', '.join(sorted(found))}",),
        )
    distinct = {id(kernel): variable for variable, kernel in reversed(found.items())}
    if len(distinct) == 1:
        return next(iter(distinct.values()))
    stem = path.stem.replace("-", "_")
    if stem in aliases:
        return aliases[stem]
    listed = ", ".join(sorted(found))
    raise PomError(
        "POM-D074",
        f"{path.name} has {len(distinct)} kernels: {listed}",
        None,
        f"name one: {path}:{next(iter(sorted(found)))}",
    )


def _sized(module: ModuleType, path: Path, kernel: KernelFunction, size: str) -> KernelFunction:
    sizes: Any = getattr(module, "SIZES", None)
    if not isinstance(sizes, Mapping):
        raise PomError(
            "POM-D076",
            f"{path.name} has no SIZES: its kernels come in one size only",
            None,
            "define SIZES = {'mini': …} and make(size)",
        )
    if size not in sizes:
        known = [str(s) for s in sizes]
        raise PomError(
            "POM-D076",
            f"{path.name} has no size {size!r}",
            None,
            did_you_mean(size, known) or f"sizes: {', '.join(known)}",
            (f"sizes: {', '.join(known)}",),
        )
    maker: Callable[[str], Any] | None = getattr(module, f"make_{kernel.name}", None)
    maker = maker if maker is not None else getattr(module, "make", None)
    made = _call(maker, size, path) if callable(maker) else None
    if not isinstance(made, KernelFunction) or made.name != kernel.name:
        raise PomError(
            "POM-D076",
            f"{path.name} does not say how {kernel.name!r} is made in size {size!r}",
            None,
            f"define make_{kernel.name}(size), which returns the kernel",
        )
    return made


def _call(maker: Callable[[str], Any], size: str, path: Path) -> Any:
    try:
        return maker(size)
    except PomError:
        raise
    except Exception as error:
        # The factory is the user's code.
        raise PomError(
            "POM-D072",
            f"{path.name} raised {type(error).__name__}: {error}",
            traceback_location(error.__traceback__, str(path)),
        ) from error
