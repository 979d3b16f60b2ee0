"""What a kernel may not say: each refused with its code, at the place, with a hint."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.dsl.recording import pointed_at, refusal

# (code, text above the caret, part of the message, body of a kernel)
IN_BODY: list[tuple[str, str, str, str]] = [
    ("POM-D004", "pom.array(pom.f32[0, 2])", "size 0", "t = pom.array(pom.f32[0, 2])"),
    ("POM-D004", "pom.array(pom.f32[-3])", "size -3", "t = pom.array(pom.f32[-3])"),
    ("POM-D004", "pom.array(pom.f32[2.5])", "size 2.5", "t = pom.array(pom.f32[2.5])"),
    ("POM-D004", 'pom.array(pom.f32["n"])', "size 'n'", 't = pom.array(pom.f32["n"])'),
    (
        "POM-D005",
        "pom.array(pom.f32[2**31, 2**31])",
        "64-bit",
        "t = pom.array(pom.f32[2**31, 2**31])",
    ),
    (
        "POM-D005",
        'pom.loop("i", 0, 2**70)',
        "64 bits",
        'for i in pom.loop("i", 0, 2**70):\n    A[i % 8] = 0',
    ),
    (
        "POM-D005",
        "i < 2**70",
        "64 bits",
        'for i in pom.loop("i", 0, 8):\n    with pom.when(i < 2**70):\n        A[i] = 0',
    ),
    ("POM-D049", "n / 0", "literal 0", "N[0] = n / 0"),
    ("POM-D049", "n % 0", "literal 0", "N[0] = n % 0"),
    ("POM-D006", "pom.int_(0)", "width", "x = pom.cast(1, pom.int_(0))"),
    ("POM-D006", "pom.uint_(2000)", "1024", "x = pom.cast(1, pom.uint_(2000))"),
    ("POM-D006", "pom.fixed(8, 9999)", "9999", "x = pom.cast(1, pom.fixed(8, 9999))"),
    ("POM-D002", 'pom.array("t", int)', "no scalar type", 't = pom.array("t", int)'),
    ("POM-D007", "pom.float32", "did you mean 'f32'", "t = pom.array(pom.float32[3])"),
    ("POM-D010", 'pom.loop("1x", 0, 4)', "'1x'", 'for i in pom.loop("1x", 0, 4): A[0] = 0'),
    ("POM-D010", 'pom.loop("é", 0, 4)', "ASCII", 'for i in pom.loop("é", 0, 4): A[0] = 0'),
    ("POM-D010", "pom.loop(3, 0, 4)", "3", "for i in pom.loop(3, 0, 4): A[0] = 0"),
    (
        "POM-D011",
        'pom.loop("int", 0, 4)',
        "C++ keyword",
        'for i in pom.loop("int", 0, 4): A[0] = 0',
    ),
    (
        "POM-D011",
        'pom.loop("is", 0, 4)',
        "Python keyword",
        'for i in pom.loop("is", 0, 4): A[0] = 0',
    ),
    ("POM-D011", 'pom.loop("Max", 0, 4)', "polyhedral", 'for i in pom.loop("Max", 0, 4): A[0] = 0'),
    ("POM-D011", 'pom.loop("ap_clk", 0, 4)', "HLS", 'for i in pom.loop("ap_clk", 0, 4): A[0] = 0'),
    ("POM-D011", 'pom.loop("_i", 0, 4)', "underscore", 'for i in pom.loop("_i", 0, 4): A[0] = 0'),
    (
        "POM-D011",
        'pom.loop("std", 0, 4)',
        "generated C++",
        'for i in pom.loop("std", 0, 4): A[0] = 0',
    ),
    ("POM-D012", 'pom.loop("A", 0, 4)', "an argument", 'for i in pom.loop("A", 0, 4): A[i] = 0'),
    ("POM-D012", 'pom.array("x", pom.f32[4])', "an argument", 't = pom.array("x", pom.f32[4])'),
    ("POM-D012", 'pom.array("k", pom.f32[4])', "the kernel", 't = pom.array("k", pom.f32[4])'),
    (
        "POM-D012",
        'pom.loop("i", 0, 4)',
        "inside another loop",
        'for i in pom.loop("i", 0, 4):\n    for j in pom.loop("i", 0, 4):\n        A[i] = 0',
    ),
    (
        "POM-D012",
        'pom.compute("i", [j], A[j], 0)',
        "a loop",
        'i, j = pom.vars(i=4, j=4)\npom.compute("a", [i], A[i], 0)\npom.compute("i", [j], A[j], 0)',
    ),
    (
        "POM-D013",
        'pom.compute("a", [i], A[i], 1)',
        "a statement",
        'i = pom.vars(i=4)\npom.compute("a", [i], A[i], 0)\npom.compute("a", [i], A[i], 1)',
    ),
    ("POM-D020", "A[0, 1]", "1 subscripts, not 2", "A[0] = A[0, 1]"),
    ("POM-D020", "M[0]", "write M[i, j]", "A[0] = M[0][1]"),
    ("POM-D020", "M[3]", "2 subscripts, not 1", "M[3] = 1"),
    ("POM-D020", "x[0]", "a scalar has no subscripts", "A[0] = x[0]"),
    ("POM-D021", "A[1:2]", "a slice", "A[1:2] = 0"),
    ("POM-D021", "A[1.5]", "1.5", "A[0] = A[1.5]"),
    ("POM-D021", "A[x]", "f32 value", "A[0] = A[x]"),
    (
        "POM-D022",
        "A[i - 1]",
        "evaluates both",
        'for i in pom.loop("i", 0, 8):\n    M[0, i] = pom.select(i > 0, A[i - 1], 0)',
    ),
    ("POM-D022", "A[i + 1]", "at i = 7", 'for i in pom.loop("i", 0, 8):\n    A[i] = A[i + 1]'),
    ("POM-D022", "A[i - 1]", "at i = 0", 'for i in pom.loop("i", 0, 8):\n    A[i - 1] = 0'),
    ("POM-D022", "A[-1]", "do not wrap around", "A[-1] = 0"),
    (
        "POM-D023",
        "t[i]",
        "t[0] is read",
        't = pom.array(pom.f32[8])\nfor i in pom.loop("i", 0, 8):\n    A[i] = t[i]',
    ),
    (
        "POM-D024",
        "A[0]",
        "'i' outside its loop",
        'for i in pom.loop("i", 0, 8):\n    y = A[i] * 2\nA[0] = y',
    ),
    ("POM-D024", "A[i]", "pom.compute", "i = pom.vars(i=4)\nA[i] = 0"),
    (
        "POM-D024",
        "pom.when(i > 0)",
        "'i' outside",
        "i = pom.vars(i=4)\nwith pom.when(i > 0):\n    A[0] = 0",
    ),
    (
        "POM-D024",
        'pom.loop("j", 0, i)',
        "a loop bound",
        'for i in pom.loop("i", 0, 8):\n    A[i] = 0\nfor j in pom.loop("j", 0, i):\n    A[j] = 0',
    ),
    ("POM-D026", "A[2]", "'A' changes", "y = A[0]\nA[1] = 0\nA[2] = y"),
    (
        "POM-D026",
        "A[i]",
        "'A' changes",
        'y = A[0]\nfor i in pom.loop("i", 0, 8):\n    M[i, 0] = y\n    A[i] = 0',
    ),
    (
        "POM-D027",
        "total",
        "carried through",
        'total = 0.0\nfor i in pom.loop("i", 0, 8):\n    total = total + A[i]\n    A[i] = total',
    ),
    (
        "POM-D027",
        "n",
        "'n' is carried",
        'n = 0\nfor i in pom.loop("i", 0, 8):\n    n += 1\n    A[i] = n',
    ),
    (
        "POM-D028",
        'pom.loop("i", 0, 8)',
        "left early",
        'for i in pom.loop("i", 0, 8):\n    A[i] = 0\n    break',
    ),
    (
        "POM-D028",
        'pom.loop("i", 0, 8)',
        "left early",
        'for i in pom.loop("i", 0, 8):\n    A[i] = 0\n    break\nA[0] = 1',
    ),
    (
        "POM-D028",
        'pom.loop("i", 0, 8)',
        "return",
        'for i in pom.loop("i", 0, 8):\n    A[i] = 0\n    return',
    ),
    (
        "POM-D028",
        'pom.loop("i", 0, 8)',
        "left early",
        'it = iter(pom.loop("i", 0, 8))\ni = next(it)\nA[i] = 0',
    ),
    (
        "POM-D028",
        'pom.loop("j", 0, 8)',
        "left early",
        (
            'for i in pom.loop("i", 0, 8):\n    with pom.when(i > 1):\n'
            '        for j in pom.loop("j", 0, 8):\n            A[j] = 0\n            break'
        ),
    ),
    (
        "POM-D033",
        "x > 0",
        "the truth value",
        "y = [c for c in (1, 2) if x > 0]",
    ),
    (
        "POM-D002",
        'pom.array("t", odd)',
        "no scalar type",
        'odd = type(pom.f32[1])(float, (3,))\nt = pom.array("t", odd)',
    ),
    ("POM-D006", 'pom.int_("8")', "width", 'y = pom.cast(1, pom.int_("8"))'),
    ("POM-D006", 'pom.fixed(8, "4")', "integer bits", 'y = pom.cast(1, pom.fixed(8, "4"))'),
    ("POM-D034", "sum(i)", "iterated", 'for i in pom.loop("i", 0, 8):\n    A[i] = sum(i)'),
    ("POM-D034", "complex(x)", "Python number", "A[0] = complex(x)"),
    ("POM-D047", 'pom.select(x > 0, x, "a")', "'a'", 'A[0] = pom.select(x > 0, x, "a")'),
    ("POM-D040", "W[0]", "pom.int_(12)", "W[0] = x"),
    (
        "POM-D030",
        'pom.loop("i", 8, 0, -1)',
        "n - 1 - i",
        'for i in pom.loop("i", 8, 0, -1):\n    A[i] = 0',
    ),
    (
        "POM-D030",
        'pom.loop("i", 0, 8, 0)',
        "step 0",
        'for i in pom.loop("i", 0, 8, 0):\n    A[i] = 0',
    ),
    (
        "POM-D029",
        "best",
        "under pom.when",
        (
            'for i in pom.loop("i", 0, 7):\n    best = A[i]\n    with pom.when(i > 3):\n'
            "        best = A[i + 1]\n    M[0, i] = best"
        ),
    ),
    (
        "POM-D029",
        "late",
        "under pom.when",
        (
            'for i in pom.loop("i", 0, 7):\n    for j in pom.loop("j", 0, 7):\n'
            "        with pom.when(i > j):\n            late = 2.0\n        M[i, j] = 0\n"
            "    M[0, i] = late"
        ),
    ),
    ("POM-D030", "i // 0", "divided by 0", 'for i in pom.loop("i", 0, 8):\n    A[i // 0] = 0'),
    ("POM-D030", "i % -2", "divided by -2", 'for i in pom.loop("i", 0, 8):\n    A[i % -2] = 0'),
    (
        "POM-D031",
        'pom.loop("i", 0, x)',
        "not affine",
        'for i in pom.loop("i", 0, x):\n    A[i] = 0',
    ),
    ("POM-D031", 'pom.loop("i", 0, 2.5)', "2.5", 'for i in pom.loop("i", 0, 2.5):\n    A[i] = 0'),
    (
        "POM-D031",
        'pom.loop("j", 0, pom.max(i, 3))',
        "not convex",
        'for i in pom.loop("i", 0, 8):\n    for j in pom.loop("j", 0, pom.max(i, 3)):\n        A[i] = 0',
    ),
    (
        "POM-D031",
        'pom.loop("j", pom.max(i, 3), 8, 2)',
        "a step and a pom.max",
        'for i in pom.loop("i", 0, 8):\n    for j in pom.loop("j", pom.max(i, 3), 8, 2):\n        A[j] = 0',
    ),
    ("POM-D032", "pom.when(A[0] > 0)", "pom.select", "with pom.when(A[0] > 0):\n    A[0] = 0"),
    (
        "POM-D032",
        "pom.when(i != 3)",
        "conjunction",
        'for i in pom.loop("i", 0, 8):\n    with pom.when(i != 3):\n        A[i] = 0',
    ),
    ("POM-D032", "pom.when(True)", "Python if", "with pom.when(True):\n    A[0] = 0"),
    ("POM-D032", "pom.when()", "without a condition", "with pom.when():\n    A[0] = 0"),
    ("POM-D033", "A[0] > 0", "`if`", "if A[0] > 0:\n    A[0] = 0"),
    (
        "POM-D033",
        "i > 0",
        "with pom.when",
        'for i in pom.loop("i", 0, 8):\n    if i > 0:\n        A[i] = 0',
    ),
    (
        "POM-D033",
        "i > 0 and i < 4",
        "`and` or `or`",
        'for i in pom.loop("i", 0, 8):\n    with pom.when(i > 0 and i < 4):\n        A[i] = 0',
    ),
    (
        "POM-D033",
        "not i > 0",
        "`not`",
        'for i in pom.loop("i", 0, 8):\n    with pom.when(not i > 0):\n        A[i] = 0',
    ),
    (
        "POM-D033",
        "0 < i < 4",
        "chained",
        'for i in pom.loop("i", 0, 8):\n    with pom.when(0 < i < 4):\n        A[i] = 0',
    ),
    ("POM-D033", "A[0] > 0", "conditional expression", "A[1] = 1 if A[0] > 0 else 0"),
    ("POM-D033", "min(i, 3)", "pom.min", 'for i in pom.loop("i", 0, 8):\n    A[min(i, 3)] = 0'),
    ("POM-D033", "bool(x)", "a Python call", "A[0] = bool(x)"),
    ("POM-D033", "x > 0", "`while`", "while x > 0:\n    A[0] = 0"),
    ("POM-D033", "x > 0", "`assert`", "assert x > 0"),
    ("POM-D034", "float(x)", "not a Python number", "A[0] = float(x)"),
    (
        "POM-D034",
        "range(i)",
        "pom.loop instead",
        'for i in pom.loop("i", 0, 8):\n    for j in range(i):\n        A[j] = 0',
    ),
    ("POM-D034", "sum(M)", "iterated", "A[0] = sum(M)"),
    ("POM-D040", "x + n", "pom.cast", "A[0] = x + n"),
    ("POM-D040", "A[0]", "the value is int8", "A[0] = n"),
    ("POM-D040", "i / 2", "//", 'for i in pom.loop("i", 0, 8):\n    A[i / 2] = 0'),
    ("POM-D040", "pom.sqrt(n)", "only floats and fixed", "A[0] = pom.sqrt(n)"),
    ("POM-D040", "pom.exp(n)", "only floats have", "A[0] = pom.exp(n)"),
    ("POM-D040", "pom.select(1, x, x)", "condition", "A[0] = pom.select(1, x, x)"),
    ("POM-D040", "pom.select(x, x, x)", "condition", "A[0] = pom.select(x, x, x)"),
    ("POM-D041", "n + 1.5", "pom.cast", "N[0] = n + 1.5"),
    ("POM-D041", "n + 2.0", "the integer 2", "N[0] = n + 2.0"),
    ("POM-D041", "A[0]", "True or False", "A[0] = True"),
    ("POM-D041", "A[0]", "NaN", 'A[0] = float("nan")'),
    ("POM-D042", "N[0]", "-128 … 127", "N[0] = 300"),
    ("POM-D042", "H[0]", "does not fit into f16", "H[0] = 1e6"),
    ("POM-D042", "q * 2", "fixed<8,2>", "Q[0] = q * 2"),
    ("POM-D042", "Q[0]", "fixed<8,2>", 'Q[0] = float("inf")'),
    ("POM-D043", "n // 2", "truncates", "N[0] = n // 2"),
    ("POM-D043", "x // 2", "pom.floor", "A[0] = x // 2"),
    ("POM-D044", "M + 1", "subscript it: M[i, j]", "A[0] = M + 1"),
    ("POM-D045", "x[0]", "local scalar", "x[0] = 1"),
    (
        "POM-D045",
        'pom.compute("s", [i], x, 1)',
        "no array element",
        'i = pom.vars(i=4)\npom.compute("s", [i], x, 1)',
    ),
    ("POM-D046", "pom.sqrt(2.0)", "pom.cast(1.5", "A[0] = pom.sqrt(2.0)"),
    ("POM-D047", "A[0]", "'text'", 'A[0] = "text"'),
    ("POM-D047", "pom.cast('a', pom.f32)", "'a'", "A[0] = pom.cast('a', pom.f32)"),
    ("POM-D048", "pom.cast(pom.f32, x)", "swapped", "A[0] = pom.cast(pom.f32, x)"),
    ("POM-D047", 't += "text"', "'text'", 't = pom.array(pom.f32)\nt += "text"'),
    ("POM-D050", "pom.compute(A[0], 1)", "pom.compute takes", "pom.compute(A[0], 1)"),
    ("POM-D050", "pom.array()", "pom.array takes", "t = pom.array()"),
    ("POM-D050", "pom.vars(i=(1, 2, 3, 4))", "range", "i = pom.vars(i=(1, 2, 3, 4))"),
    ("POM-D050", "pom.min(x)", "1 values", "A[0] = pom.min(x)"),
    ("POM-D050", "pom.exp(x, x)", "takes 1", "A[0] = pom.exp(x, x)"),
    (
        "POM-D050",
        'pom.compute("s", [i], A[i], 1)',
        "no variable of pom.vars",
        'for i in pom.loop("i", 0, 8):\n    pom.compute("s", [i], A[i], 1)',
    ),
    (
        "POM-D051",
        "D[v]",
        "nested",
        "v = n\nfor _ in range(999):\n    v = D[v]\nA[0] = A[v]",
    ),
    (
        "POM-D051",
        'pom.loop(f"i{d}", 0, 2)',
        "loops inside",
        'def nest(d):\n    for i in pom.loop(f"i{d}", 0, 2):\n        nest(d + 1)\nnest(0)',
    ),
    ("POM-D051", "y * y", "16383 operations", "y = x\nfor _ in range(99):\n    y = y * y"),
    ("POM-D051", "y + 1", "nested", "y = x\nfor _ in range(999):\n    y = y + 1"),
    ("POM-D062", "1 // 0", "ZeroDivisionError", "A[0] = 1 // 0"),
    ("POM-D062", 'A + "x"', "TypeError", 'A[0] = A + "x"'),
    ("POM-D062", "undefined_name", "NameError", "A[0] = undefined_name"),
]


@pytest.mark.parametrize(
    ("code", "text", "part", "body"),
    IN_BODY,
    ids=[f"{code}-{body.splitlines()[-1].strip()[:40]}" for code, _, _, body in IN_BODY],
)
def test_body_is_refused_where_it_is_written(
    tmp_path: Path, code: str, text: str, part: str, body: str
) -> None:
    error = refusal(
        tmp_path,
        "@pom.kernel\n"
        "def k(x: pom.f32, n: pom.int8, q: pom.fixed(8, 2), A: pom.f32[8], M: pom.f32[8, 8],\n"
        "      N: pom.int8[8], H: pom.f16[8], Q: pom.fixed(8, 2)[8], W: pom.int_(12)[8], D: pom.int8[8]):\n"
        + textwrap.indent(body, "    ")
        + "\n",
    )
    assert error.code == code, error
    assert part in error.render()
    assert pointed_at(error) == text


# (code, text above the caret, part of the message, whole file)
WHOLE: list[tuple[str, str, str, str]] = [
    ("POM-D001", 'pom.loop("i", 0, 4)', "outside a kernel", 'for i in pom.loop("i", 0, 4): pass\n'),
    ("POM-D001", "pom.vars(i=4)", "outside a kernel", "i = pom.vars(i=4)\n"),
    ("POM-D001", "k(1)", "kernel 'k'", "@pom.kernel\ndef k(A: pom.f32[3]):\n    A[0] = 1\nk(1)\n"),
    ("POM-D002", "A", "has no type", "@pom.kernel\ndef k(A):\n    A[0] = 1\n"),
    ("POM-D002", "A: int", "unknown type", "@pom.kernel\ndef k(A: int):\n    A[0] = 1\n"),
    (
        "POM-D002",
        "A: Unknown[3]",
        "cannot be evaluated",
        "from __future__ import annotations\n@pom.kernel\ndef k(A: Unknown[3]):\n    A[0] = 1\n",
    ),
    (
        "POM-D006",
        "pom.int_(0)",
        "width",
        "from __future__ import annotations\n@pom.kernel\ndef k(A: pom.int_(0)[3]):\n    A[0] = 1\n",
    ),
    ("POM-D003", "args", "any number", "@pom.kernel\ndef k(*args):\n    pass\n"),
    ("POM-D003", "x: pom.f32", "default", "@pom.kernel\ndef k(x: pom.f32 = 1.0):\n    pass\n"),
    ("POM-D003", "x: pom.f32", "positional", "@pom.kernel\ndef k(x: pom.f32, /):\n    pass\n"),
    ("POM-D003", "pom.kernel(3)", "no function", "pom.kernel(3)\n"),
    (
        "POM-D004",
        "B: pom.f32[4, 0]",
        "size 0",
        "@pom.kernel\ndef k(A: pom.f32[4],\n      B: pom.f32[4, 0]):\n    pass\n",
    ),
    ("POM-D007", "pom.flaot32", "POM-D007", "T = pom.flaot32\n"),
    ("POM-D010", "é: pom.f32", "ASCII", "@pom.kernel\ndef k(é: pom.f32):\n    pass\n"),
    ("POM-D011", "int: pom.f32", "C++ keyword", "@pom.kernel\ndef k(int: pom.f32):\n    pass\n"),
    (
        "POM-D011",
        "def exp(A: pom.f32[3]):",
        "C library",
        "@pom.kernel\ndef exp(A: pom.f32[3]):\n    A[0] = 1\n",
    ),
    ("POM-D012", "k: pom.f32", "the kernel", "@pom.kernel\ndef k(k: pom.f32):\n    pass\n"),
    (
        "POM-D025",
        "A[0]",
        "value of the kernel 'one'",
        (
            "kept = []\n@pom.kernel\ndef one(A: pom.f32[3]):\n    A[0] = 1\n    kept.append(A[1] + 1)\n"
            "@pom.kernel\ndef two(A: pom.f32[3]):\n    A[0] = kept[0]\n"
        ),
    ),
    (
        "POM-D025",
        "kept[0] + A[0]",
        "'one' and 'two' meet",
        (
            "kept = []\n@pom.kernel\ndef one(A: pom.f32[3]):\n    A[0] = 1\n    kept.append(A[1])\n"
            "@pom.kernel\ndef two(A: pom.f32[3]):\n    A[0] = kept[0] + A[0]\n"
        ),
    ),
    (
        "POM-D025",
        "kept[0][0]",
        "already finished",
        "kept = []\n@pom.kernel\ndef one(A: pom.f32[3]):\n    A[0] = 1\n    kept.append(A)\nkept[0][0] = 1\n",
    ),
    (
        "POM-D060",
        "def k(A: pom.f32[3]):",
        "no statements",
        "@pom.kernel\ndef k(A: pom.f32[3]):\n    A\n",
    ),
    (
        "POM-D061",
        "def k(A: pom.f32[3]):",
        "returns",
        "@pom.kernel\ndef k(A: pom.f32[3]):\n    A[0] = 1\n    return A\n",
    ),
    ("POM-D071", "pom", "not Python", "def k(A pom.f32):\n"),
    ("POM-D072", "1 / 0", "ZeroDivisionError", "x = 1 / 0\n"),
    ("POM-D072", "exit(3)", "SystemExit", "import sys\nsys.exit(3)\n"),
]


@pytest.mark.parametrize(
    ("code", "text", "part", "whole"),
    WHOLE,
    ids=[f"{code}-{part}" for code, _, part, _ in WHOLE],
)
def test_file_is_refused_where_it_is_written(
    tmp_path: Path, code: str, text: str, part: str, whole: str
) -> None:
    if whole.startswith("from __future__"):
        whole = whole.replace("\n", "\nimport pom\n", 1)
        path = tmp_path / "future.py"
        path.write_text(whole)
        from pom.dsl.load import load_kernel
        from pom.errors import PomError

        with pytest.raises(PomError) as caught:
            load_kernel(path)
        error = caught.value
    else:
        error = refusal(tmp_path, whole)
    assert error.code == code, error
    assert part in error.render()
    assert pointed_at(error).startswith(text) or text in pointed_at(error)


def test_every_refusal_says_what_to_do_next(tmp_path: Path) -> None:
    without = {"POM-D062", "POM-D006", "POM-D002"}
    for code, _, _, body in IN_BODY:
        if code in without:
            continue
        error = refusal(
            tmp_path,
            "@pom.kernel\n"
            "def k(x: pom.f32, n: pom.int8, q: pom.fixed(8, 2), A: pom.f32[8], M: pom.f32[8, 8],\n"
            "      N: pom.int8[8], H: pom.f16[8], Q: pom.fixed(8, 2)[8], W: pom.int_(12)[8], D: pom.int8[8]):\n"
            + textwrap.indent(body, "    ")
            + "\n",
        )
        assert error.hint or code in ("POM-D041", "POM-D047", "POM-D050"), error
