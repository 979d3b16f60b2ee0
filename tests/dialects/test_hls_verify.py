"""The rules of level 3."""

from __future__ import annotations

import pytest
from mlir.ir import InsertionPoint, Location, Module

from pom.dialects import hls
from pom.dialects.context import new_context, process_context
from pom.dialects.hls_attributes import (
    array_attributes,
    array_directives,
    binding_attribute,
    loop_attributes,
    loop_directives,
)
from pom.errors import PomError
from pom.ir.directives import ArrayDirectives, LoopDirectives, OpBinding, Partition
from pom.ir.types import FixedType, IntType

TEXT = """
module {
  func.func @k(%A: memref<8xi12> {hls.name = "A", hls.type = "int12", hls.direction = "inout",
                   hls.partition = [{dim = 1 : i64, kind = "cyclic", factor = 2 : i64}]},
               %s: f32 {hls.name = "s", hls.type = "f32"}) attributes {hls.top} {
    %t = memref.alloc() {hls.name = "t", hls.type = "fixed<16,8>"} : memref<2xi16>
    affine.for %i = 0 to 8 {
      "hls.statement"(%i) {name = "S"} : (index) -> ()
      %0 = affine.load %A[%i] : memref<8xi12>
      %1 = "hls.index"(%i) {result = "int12"} : (index) -> i12
      %2 = "hls.add"(%0, %1) {types = ["int12", "int12"], result = "int13"} : (i12, i12) -> i13
      %3 = "hls.cast"(%2) {types = ["int13"], result = "int12"} : (i13) -> i12
      %4 = arith.addf %s, %s {hls.bind_op = {op = "fadd", impl = "dsp", latency = 3 : i64}} : f32
      affine.store %3, %A[%i] : memref<8xi12>
    } {hls.name = "i", hls.pipeline_ii = 1 : i64}
    return
  }
}
"""


def parse(text: str) -> Module:
    return Module.parse(text, process_context())


def test_the_base_is_valid() -> None:
    hls.verify_affine(parse(TEXT))


@pytest.mark.parametrize(
    ("old", "new", "code", "part"),
    [
        ('hls.name = "i", ', "", "POM-A003", "no usable hls.name"),
        ('hls.name = "i"', 'hls.name = "a b"', "POM-A003", "'a b'"),
        ('hls.name = "t"', 'hls.name = "A"', "POM-A003", "called 'A'"),
        ("hls.pipeline_ii = 1 : i64", "hls.pipeline_ii = true", "POM-A002", "wrong kind"),
        ("hls.pipeline_ii = 1 : i64", "hls.pipeline_ii = 0 : i64", "POM-A004", "interval of 0"),
        ("hls.pipeline_ii = 1 : i64", "hls.pipeline_ii = 1 : i99", "POM-A002", "at most 64 bits"),
        ("hls.pipeline_ii = 1 : i64", "hls.pipelin = 1 : i64", "POM-A002", "hls.pipelin"),
        ("hls.pipeline_ii = 1 : i64", "hls.dependence_free = [1]", "POM-A002", "list of names"),
        ("factor = 2 : i64", "factor = 9 : i64", "POM-A004", "factor of 9"),
        ("dim = 1 : i64, ", "", "POM-A002", "list of {dim, kind, factor}"),
        ('hls.direction = "inout"', 'hls.direction = "up"', "POM-A004", "'up'"),
        ('hls.direction = "inout"', "hls.storage = {type = 3 : i64}", "POM-A002", "hls.storage"),
        ('hls.direction = "inout"', "hls.interface = {}", "POM-A002", "lacks a mode"),
        ('hls.name = "s"', 'hls.name = "s", hls.stream = 2 : i64', "POM-A002", "no attribute"),
        ('"fixed<16,8>"', '"fixed<17,8>"', "POM-A005", "which i16 is not"),
        ('"fixed<16,8>"', '"float"', "POM-A005", "unknown scalar type"),
        ('"fixed<16,8>"', '"int9999"', "POM-A005", "1 to 1024"),
        (', hls.type = "f32"', "", "POM-A005", "unknown scalar type ''"),
        ('"int13"} : (i12, i12) -> i13', '"int14"} : (i12, i12) -> i13', "POM-A006", "which i13"),
        ('types = ["int12", "int12"]', 'types = ["int12"]', "POM-A006", "every operand"),
        ('types = ["int12", "int12"]', 'types = ["int12", "uint12"]', "POM-A006", "is int14"),
        ('types = ["int12", "int12"]', 'types = [f32, "int12"]', "POM-A005", "unknown"),
        ('types = ["int12", "int12"]', 'types = [1.0, "int12"]', "POM-A006", "uses"),
        ('types = ["int12", "int12"]', 'types = ["int12", "fixed<12,4>"]', "POM-A006", "pom.cast"),
        ('{result = "int12"}', '{result = "fixed<12,4>"}', "POM-A006", "makes an integer"),
        ('{result = "int12"}', '{result = "int11"}', "POM-A006", "which i12 is not"),
        ('name = "S"', 'name = "a-b"', "POM-A007", "a-b"),
        ('op = "fadd", ', "", "POM-A002", "hls.bind_op"),
        ("attributes {hls.top}", "attributes {hls.top = 1}", "POM-A002", "hls.top"),
    ],
)
def test_rules_of_level_3(old: str, new: str, code: str, part: str) -> None:
    assert old in TEXT
    module = parse(TEXT.replace(old, new))
    with pytest.raises(PomError, match=code) as caught:
        hls.verify_affine(module)
    assert part in caught.value.summary
    assert caught.value.location is not None


def test_shape_must_be_constant() -> None:
    with pytest.raises(PomError, match="POM-A005"):
        hls.verify_affine(parse('func.func @f(%a: memref<?xf32> {hls.name = "a"}) { return }'))


def test_casts_that_hardware_does_not_have() -> None:
    text = TEXT.replace("i16>", "i200>").replace("fixed<16,8>", "fixed<200,200>")
    text = text.replace(
        "affine.store",
        "%9 = memref.load %t[%i] : memref<2xi200>\n"
        '%8 = "hls.cast"(%9) {types = ["fixed<200,200>"], result = "f32"} : (i200) -> f32\n'
        "affine.store",
    )
    with pytest.raises(PomError, match="POM-A006") as caught:
        hls.verify_affine(parse(text))
    assert "integer bits" in caught.value.summary


def test_invalid_mlir_is_found_after_an_edit() -> None:
    module = parse(TEXT)
    block = module.body.operations[0].regions[0].blocks[0].operations[1].regions[0].blocks[0]
    del block.operations[0].attributes["name"]
    with pytest.raises(PomError, match="POM-A001") as caught:
        hls.verify_affine(module)
    assert "name" in caught.value.summary
    assert caught.value.location is not None


def test_directives_become_attributes_and_back() -> None:
    loop = LoopDirectives(2, False, 0, True, ("A", "B"), True)
    array = ArrayDirectives(
        (Partition(1, "cyclic", 4),),
        (Partition(0, "complete"),),
        "ram_2p",
        "bram",
        3,
        "m_axi",
        (("bundle", "g"),),
        5,
    )
    with process_context(), Location.unknown():
        assert loop_directives(loop_attributes(loop)) == loop
        assert loop_directives({}) == LoopDirectives()
        off = LoopDirectives(pipeline_off=True)
        assert loop_directives(loop_attributes(off)) == off
        assert array_directives(array_attributes(array)) == array
        assert array_directives({}) == ArrayDirectives()
        text = '{impl = "dsp", latency = 3 : i64, op = "fadd"}'
        assert str(binding_attribute(OpBinding("S", "fadd", "dsp", 3))) == text


def test_builders_write_what_the_verifier_takes() -> None:
    context = new_context()
    module = Module.parse(TEXT, context)
    block = module.body.operations[0].regions[0].blocks[0].operations[1].regions[0].blocks[0]
    small, wide = IntType(7), FixedType(20, 12)
    with context, Location.unknown(), InsertionPoint.at_block_terminator(block):
        value = hls.index(block.arguments[0], small)
        total = hls.numeric("add", [value, value], [small, small], IntType(8))
        hls.cast(total, IntType(8), wide)
        hls.statement("T", [block.arguments[0]])
    hls.verify_affine(module)


def test_registering_twice_is_harmless() -> None:
    context = new_context()
    hls.register(context)
    assert context.is_registered_operation("hls.statement")
    assert not context.is_registered_operation("hls.exp")
