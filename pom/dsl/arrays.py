"""Arrays while a kernel is recorded: subscripts, reads and stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pom.dsl.literals import as_number, constant
from pom.dsl.locate import user_location
from pom.dsl.recorder import Recorder, current
from pom.dsl.source import assigned_name
from pom.dsl.types import check_array_type, check_scalar_type
from pom.dsl.values import EMPTY, IndexValue, Origin, Symbolic, Value, as_affine_value, binary
from pom.errors import PomError
from pom.ir.expr import Access, Apply, Load
from pom.ir.graph import Array
from pom.ir.location import Location
from pom.ir.types import ArrayType, BoolType, FloatType, IntType, ScalarType

__all__ = ["ArrayValue", "Element", "array", "store"]


class Element(Value):
    """``A[i, j]``: data, and the target of `pom.compute`."""

    __slots__ = ("access", "array", "target_origin")

    def __init__(
        self, array: ArrayValue, access: Access, origin: Origin, data: Sequence[Value]
    ) -> None:
        location = user_location()
        recorder = array.recorder
        free = any(v.is_free for v in origin.variables)
        read = recorder.read(array.name, free, location)
        load = Load(access, array.type.element, location)
        own = Origin(recorder, origin.variables, origin.reads | {read})
        super().__init__(load, own, data)
        self.array = array
        self.access = access
        self.target_origin = origin


class ArrayValue(Symbolic):
    """An array. One of rank 0 is also a scalar: it reads as data, and ``+=`` stores to it."""

    __slots__ = ("name", "recorder", "type")

    def __init__(self, name: str, type: ArrayType, recorder: Recorder) -> None:
        self.name = name
        self.type = type
        self.recorder = recorder
        self.origin = Origin(recorder)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes."""
        return self.type.shape

    def __repr__(self) -> str:
        return f"<array {self.name}: {self.type}>"

    def data(self) -> Value:
        if self.type.rank:
            raise PomError(
                "POM-D044",
                f"array {self.name!r} of rank {self.type.rank} is used as a scalar",
                user_location(),
                f"subscript it: {self.name}[{', '.join('ijklmn'[: self.type.rank])}]",
            )
        return self[()]

    def __getitem__(self, key: object) -> Element:
        return Element(self, *self._access(key))

    def __setitem__(self, key: object, value: object) -> None:
        access, origin, _ = self._access(key)
        store(None, self, access, origin, value)

    def _access(self, key: object) -> tuple[Access, Origin, tuple[Value, ...]]:
        """The access, what it is made of, and the data among its subscripts."""
        location = user_location()
        self.recorder.check_running(location)
        keys: tuple[object, ...] = key if isinstance(key, tuple) else (key,)
        if len(keys) != self.type.rank:
            raise PomError(
                "POM-D020",
                f"{self.name!r} has {self.type.rank} subscripts, not {len(keys)}",
                location,
                f"write {self.name}[{', '.join('ijklmn'[: self.type.rank]) or '()'}]",
            )
        origin = Origin(self.recorder)
        found = [_subscript(one, self.name, location) for one in keys]
        for subscript in found:
            origin = origin | subscript.origin
        subscripts = tuple(s.affine if isinstance(s, IndexValue) else s.expr for s in found)
        data = tuple(s for s in found if isinstance(s, Value))
        return Access(self.name, subscripts), origin, data

    def _update(self, op: str, value: object) -> ArrayValue:
        result = binary(op, self.data(), value)
        if result is NotImplemented:
            raise PomError(
                "POM-D047",
                f"{value!r} is no operand of a kernel",
                user_location(),
                f"update {self.name!r} with a number or a value of the kernel",
            )
        self[()] = result
        return self

    def __iadd__(self, value: object) -> ArrayValue:
        return self._update("add", value)

    def __isub__(self, value: object) -> ArrayValue:
        return self._update("sub", value)

    def __imul__(self, value: object) -> ArrayValue:
        return self._update("mul", value)

    def __itruediv__(self, value: object) -> ArrayValue:
        return self._update("div", value)

    def __imod__(self, value: object) -> ArrayValue:
        return self._update("mod", value)

    def __iand__(self, value: object) -> ArrayValue:
        return self._update("and", value)

    def __ior__(self, value: object) -> ArrayValue:
        return self._update("or", value)

    def __ixor__(self, value: object) -> ArrayValue:
        return self._update("xor", value)

    def __ilshift__(self, value: object) -> ArrayValue:
        return self._update("shl", value)

    def __irshift__(self, value: object) -> ArrayValue:
        return self._update("shr", value)


def _subscript(key: object, array: str, location: Location | None) -> IndexValue | Value:
    affine = as_affine_value(key)
    if affine is not None:
        return affine
    if isinstance(key, Symbolic):
        value = key.data()
        if isinstance(value.type, IntType):
            return value
        described = f"a {value.type} value"
    else:
        described = "a slice" if isinstance(key, slice) else repr(key)
    raise PomError(
        "POM-D021",
        f"{described} is no subscript of {array!r}",
        location,
        "subscripts are integers: loop variables, affine expressions of them, or integer data",
    )


def store(name: object, array: ArrayValue, access: Access, origin: Origin, value: object) -> None:
    """Record ``array[…] = value``, converted to the element type where the kind is the same."""
    location = user_location()
    element = array.type.element
    number = None if isinstance(value, Symbolic) else as_number(value)
    if isinstance(value, Symbolic):
        data = converted(value.data(), element, f"an element of {array.name!r}", location)
    elif number is not None:
        data = Value(constant(number, element, location), EMPTY)
    else:
        raise PomError(
            "POM-D047",
            f"{value!r} cannot be stored to {array.name!r}",
            location,
            "store a number or a value of the kernel",
        )
    array.recorder.assign(name, access, origin, data, location)


def converted(value: Value, type: ScalarType, what: str, location: Location | None) -> Value:
    """`value` as `type`: wrapped or truncated as ap_int and ap_fixed do, never another kind."""
    source = value.type
    if source == type:
        return value
    same_kind = source.__class__ is type.__class__
    if not same_kind or isinstance(type, (FloatType, BoolType)):
        raise PomError(
            "POM-D040",
            f"{what} is {type}, the value is {source}",
            location,
            f"convert it with pom.cast(value, pom.{_spelled(type)})",
        )
    return Value(Apply("cast", (value.expr,), type, location), value.origin, (value,))


def _spelled(type: ScalarType) -> str:
    text = str(type)
    if isinstance(type, IntType) and type.width not in (8, 16, 32, 64):
        return f"{'int_' if type.signed else 'uint_'}({type.width})"
    return text.replace("<", "(").replace(">", ")").replace(",", ", ")


def array(*arguments: Any) -> ArrayValue:
    """A local array: ``pom.array("t", pom.f32[8, 8])``, or ``t = pom.array(pom.f32[8, 8])``.

    Parameters
    ----------
    name : str, optional
        Without it, the variable that the array is assigned to names it.
    type : ArrayType or ScalarType
        A scalar type makes an array of rank 0, a local scalar: ``t[()] = 0.0``, ``t += x``.

    Raises
    ------
    PomError
        The name is taken or reserved, or the type is no array type.
    """
    recorder = current("pom.array")
    location = user_location()
    name, type = arguments if len(arguments) == 2 else (None, *arguments[:1], None)[:2]
    if len(arguments) not in (1, 2) or (name is not None and not isinstance(name, str)):
        raise PomError(
            "POM-D050",
            "pom.array takes a name and a type, or a type",
            location,
            'pom.array("t", pom.f32[8, 8])',
        )
    if name is None:
        assigned = assigned_name(location) if location is not None else None
        name = assigned if assigned is not None else recorder.fresh("local")
    declared = recorder.declare(name, "a local array", location)
    if not isinstance(type, ArrayType):
        type = ArrayType(check_scalar_type(type, declared, location), ())
    checked = check_array_type(type, declared, location)
    recorder.locals.append(Array(declared, checked, location))
    return ArrayValue(declared, checked, recorder)
