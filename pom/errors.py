"""Errors that a user reads: a stable code, what is wrong, where, and what to do next."""

from __future__ import annotations

from typing import Self

from pom.ir.location import Location


class PomError(Exception):
    """A deliberate error: the input is at fault, and this says how to mend it.

    Parameters
    ----------
    code : str
        Stable identifier, ``POM-<area><number>``. Areas: D the DSL, G graph level, P polyhedral
        level, A affine level, S schedules, C code generation, R running and checking, Q quality
        of results, X exploration, U use of the command line and of files.
    summary : str
        One sentence with the offending values.
    location : Location, optional
        The user's source.
    hint : str, optional
        A next step that works when it is followed.
    notes : tuple of str, optional
        Further lines, such as a witness.

    Notes
    -----
    Pickles exactly: search workers raise these across processes.
    """

    def __init__(
        self,
        code: str,
        summary: str,
        location: Location | None = None,
        hint: str | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(code, summary, location, hint, notes)
        self.code = code
        self.summary = summary
        self.location = location
        self.hint = hint
        self.notes = notes

    def at(self, location: Location | None) -> Self:
        """The same error at `location`, unless it already has one."""
        if self.location is not None or location is None:
            return self
        return type(self)(self.code, self.summary, location, self.hint, self.notes)

    def render(self) -> str:
        """The text a terminal shows: code, place, caret, witness and hint."""
        lines = [f"{self.code}: {self.summary}"]
        if self.location is not None:
            lines.append(f"  {self.location}")
            source = self.location.source_line
            if source.strip():
                indent = len(source) - len(source.lstrip())
                start = max(self.location.column, indent)
                end = self.location.end_column
                if end <= start:
                    end = max(len(source.rstrip()), start + 1)
                lines.append(f"      {source.strip()}")
                lines.append("      " + " " * (start - indent) + "^" * (end - start))
        lines += [f"  {note}" for note in self.notes]
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.render()


class InternalError(Exception):
    """POM itself is at fault: an invariant does not hold. Carries what a report needs."""
