"""Every pass by name: one line each, imported when it is used."""

from __future__ import annotations

PASSES: dict[str, str] = {
    # name: "module:Class", sorted by name
    "affine-expand-numeric": "pom.passes.affine_expand_numeric:AffineExpandNumeric",
    "affine-to-llvm": "pom.passes.affine_to_llvm:AffineToLlvm",
    "affine-widen-storage": "pom.passes.affine_widen_storage:AffineWidenStorage",
    "graph-to-poly": "pom.passes.conversions:GraphToPoly",
    "poly-after": "pom.passes.poly_after:After",
    "poly-auto-schedule": "pom.passes.poly_auto_schedule:AutoSchedule",
    "poly-bind-op": "pom.passes.poly_bind_op:BindOp",
    "poly-bind-storage": "pom.passes.poly_bind_storage:BindStorage",
    "poly-dataflow": "pom.passes.poly_dataflow:Dataflow",
    "poly-dependence-aware": "pom.passes.poly_dependence_aware:DependenceAware",
    "poly-distribute": "pom.passes.poly_distribute:Distribute",
    "poly-flatten": "pom.passes.poly_flatten:Flatten",
    "poly-guard": "pom.passes.poly_guard:Guard",
    "poly-inline": "pom.passes.poly_inline:Inline",
    "poly-interchange": "pom.passes.poly_interchange:Interchange",
    "poly-interface": "pom.passes.poly_interface:Interface",
    "poly-partition": "pom.passes.poly_partition:PartitionArray",
    "poly-peel": "pom.passes.poly_peel:Peel",
    "poly-pipeline": "pom.passes.poly_pipeline:Pipeline",
    "poly-reorder": "pom.passes.poly_reorder:Reorder",
    "poly-reshape": "pom.passes.poly_reshape:Reshape",
    "poly-reverse": "pom.passes.poly_reverse:Reverse",
    "poly-shift": "pom.passes.poly_shift:Shift",
    "poly-skew": "pom.passes.poly_skew:Skew",
    "poly-split": "pom.passes.poly_split:Split",
    "poly-stream": "pom.passes.poly_stream:Stream",
    "poly-tile": "pom.passes.poly_tile:Tile",
    "poly-to-affine": "pom.passes.conversions:PolyToAffine",
    "poly-unroll": "pom.passes.poly_unroll:Unroll",
}
