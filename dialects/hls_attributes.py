"""Directives ↔ the discardable ``hls.*`` attributes of level 3.

The builders return plain dictionaries; put them on an operation with `attach`, or into the
argument attributes of a function. The readers expect verified attributes
(`pom.dialects.hls_verify`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pom.dialects.reading import plain
from pom.ir.directives import ArrayDirectives, LoopDirectives, OpBinding, Partition

if TYPE_CHECKING:
    from mlir.ir import Attribute, Operation

Attributes = Mapping[str, "Attribute"]


def string(text: str) -> Attribute:
    """A string attribute."""
    from mlir.ir import StringAttr

    return StringAttr.get(text)


def integer(value: int) -> Attribute:
    """A 64-bit integer attribute."""
    from mlir.ir import IntegerAttr, IntegerType

    return IntegerAttr.get(IntegerType.get_signless(64), value)


def attach(operation: Operation, attributes: Attributes) -> None:
    """Set every attribute on `operation`."""
    for name, attribute in attributes.items():
        operation.attributes[name] = attribute


def loop_attributes(directives: LoopDirectives) -> dict[str, Attribute]:
    """The attributes of an ``affine.for`` that say `directives`; defaults are left out."""
    from mlir.ir import ArrayAttr, BoolAttr, UnitAttr

    found: dict[str, Attribute] = {}
    if directives.pipeline_ii is not None:
        found["hls.pipeline_ii"] = integer(directives.pipeline_ii)
    if directives.pipeline_off:
        found["hls.pipeline_off"] = UnitAttr.get()
    if directives.unroll != 1:
        found["hls.unroll"] = integer(directives.unroll)
    if directives.flatten is not None:
        found["hls.flatten"] = BoolAttr.get(directives.flatten)
    if directives.dependence_free:
        found["hls.dependence_free"] = ArrayAttr.get(
            [string(a) for a in directives.dependence_free]
        )
    if directives.dataflow:
        found["hls.dataflow"] = UnitAttr.get()
    return found


def array_attributes(directives: ArrayDirectives) -> dict[str, Attribute]:
    """The attributes of an array that say `directives`; defaults are left out."""
    from mlir.ir import ArrayAttr, DictAttr

    found: dict[str, Attribute] = {}
    if directives.partitions:
        found["hls.partition"] = ArrayAttr.get([_partition(p) for p in directives.partitions])
    if directives.reshapes:
        found["hls.reshape"] = ArrayAttr.get([_partition(p) for p in directives.reshapes])
    storage: dict[str, Attribute] = {}
    if directives.storage_type is not None:
        storage["type"] = string(directives.storage_type)
    if directives.storage_impl is not None:
        storage["impl"] = string(directives.storage_impl)
    if directives.storage_latency is not None:
        storage["latency"] = integer(directives.storage_latency)
    if storage:
        found["hls.storage"] = DictAttr.get(storage)
    if directives.interface is not None:
        options = {key: string(value) for key, value in directives.interface_options}
        found["hls.interface"] = DictAttr.get({"mode": string(directives.interface), **options})
    if directives.stream_depth is not None:
        found["hls.stream"] = integer(directives.stream_depth)
    return found


def binding_attribute(binding: OpBinding) -> Attribute:
    """The value of ``hls.bind_op`` on an operation."""
    from mlir.ir import DictAttr

    found = {"op": string(binding.op), "impl": string(binding.impl)}
    if binding.latency is not None:
        found["latency"] = integer(binding.latency)
    return DictAttr.get(found)


def loop_directives(attributes: Any) -> LoopDirectives:
    """The directives that the attributes of an ``affine.for`` say.

    Parameters
    ----------
    attributes : mapping
        ``operation.attributes`` or a dictionary attribute.
    """
    value = plain_attributes(attributes)
    return LoopDirectives(
        pipeline_ii=value.get("hls.pipeline_ii"),
        pipeline_off="hls.pipeline_off" in value,
        unroll=value.get("hls.unroll", 1),
        flatten=value.get("hls.flatten"),
        dependence_free=tuple(value.get("hls.dependence_free", ())),
        dataflow="hls.dataflow" in value,
    )


def array_directives(attributes: Any) -> ArrayDirectives:
    """The directives that the attributes of an array argument or ``memref.alloc`` say."""
    value = plain_attributes(attributes)
    storage = value.get("hls.storage", {})
    interface = value.get("hls.interface", {})
    return ArrayDirectives(
        partitions=_partitions(value.get("hls.partition", ())),
        reshapes=_partitions(value.get("hls.reshape", ())),
        storage_type=storage.get("type"),
        storage_impl=storage.get("impl"),
        storage_latency=storage.get("latency"),
        interface=interface.get("mode"),
        interface_options=tuple((k, v) for k, v in sorted(interface.items()) if k != "mode"),
        stream_depth=value.get("hls.stream"),
    )


def plain_attributes(attributes: Any) -> dict[str, Any]:
    """The ``hls.*`` attributes as Python values: str, int, bool, None for unit, lists, dicts."""
    named = ((a.name, a.attr) if hasattr(a, "attr") else (a, attributes[a]) for a in attributes)
    return {name: plain(attr) for name, attr in named if name.startswith("hls.")}


def _partition(partition: Partition) -> Attribute:
    from mlir.ir import DictAttr

    return DictAttr.get(
        {
            "dim": integer(partition.dim),
            "kind": string(partition.kind),
            "factor": integer(partition.factor),
        }
    )


def _partitions(values: Any) -> tuple[Partition, ...]:
    return tuple(Partition(v["dim"], v["kind"], v.get("factor", 0)) for v in values)
