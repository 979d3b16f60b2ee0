"""The grammar of the pragmas that Vitis HLS knows, as far as POM writes them."""

from __future__ import annotations

import re

NUMBER = r"\d+"
WORD = r"[A-Za-z_]\w*"
STORAGE = "fifo|ram_1p|ram_1wnr|ram_2p|ram_s2p|ram_t2p|rom_1p|rom_2p|rom_np"
STORAGE_IMPL = "auto|bram|bram_ecc|lutram|uram|uram_ecc|srl|memory"
OPERATORS = (
    "mul|add|sub|fadd|fsub|fdiv|fexp|flog|fmul|fsqrt|frsqrt|frecip|dadd|dsub|ddiv|dexp|dlog|dmul"
    "|dsqrt|drsqrt|drecip|hadd|hsub|hdiv|hmul|hsqrt|facc|fmacc|fmadd"
)
OPERATOR_IMPL = "auto|dsp|fabric|meddsp|fulldsp|maxdsp|primitivedsp|none"
PORT = (
    "ap_none|ap_stable|ap_vld|ap_ack|ap_hs|ap_ovld|ap_memory|bram|ap_fifo|axis|s_axilite|m_axi"
    "|ap_ctrl_chain|ap_ctrl_hs|ap_ctrl_none"
)

GRAMMAR = tuple(
    re.compile(f"{pattern}$")
    for pattern in (
        rf"PIPELINE( II={NUMBER}( rewind)?| off)",
        rf"UNROLL( factor={NUMBER}( skip_exit_check)?)?",
        r"LOOP_FLATTEN( off)?",
        rf"LOOP_TRIPCOUNT min={NUMBER} max={NUMBER}( avg={NUMBER})?",
        r"DATAFLOW",
        r"INLINE( off| recursive)?",
        rf"ARRAY_PARTITION variable={WORD} type=(cyclic|block) factor={NUMBER} dim={NUMBER}",
        rf"ARRAY_PARTITION variable={WORD} type=complete dim={NUMBER}",
        rf"ARRAY_RESHAPE variable={WORD} type=(cyclic|block) factor={NUMBER} dim={NUMBER}",
        rf"ARRAY_RESHAPE variable={WORD} type=complete dim={NUMBER}",
        rf"BIND_STORAGE variable={WORD} type=({STORAGE})( impl=({STORAGE_IMPL}))?( latency={NUMBER})?",
        rf"BIND_OP variable={WORD} op=({OPERATORS}) impl=({OPERATOR_IMPL})( latency={NUMBER})?",
        rf"DEPENDENCE variable={WORD} type=(inter|intra)( direction={WORD})? dependent=(true|false)",
        rf"STREAM variable={WORD} type=(fifo|pipo) depth={NUMBER}",
        rf"INTERFACE mode=({PORT}) port={WORD}( {WORD}=\w+)*",
    )
)

NEUTRAL = (re.compile(r"UNROLL factor=1$"), re.compile(r"factor=1 dim"))
"""Pragmas that say nothing."""


def pragmas(text: str) -> list[str]:
    """Everything after ``#pragma HLS``, by line."""
    return re.findall(r"^#pragma HLS (.*)$", text, re.MULTILINE)


def faults(text: str) -> list[str]:
    """Pragmas that the grammar does not have, that say nothing, or that name no variable in scope."""
    found = []
    for pragma in pragmas(text):
        if not any(rule.match(pragma) for rule in GRAMMAR):
            found.append(f"not in the grammar: {pragma}")
        if any(rule.search(pragma) for rule in NEUTRAL):
            found.append(f"says nothing: {pragma}")
        named = re.search(r"(?:variable|port)=(\w+)", pragma)
        if named and named[1] != "return":
            before = text[: text.index(f"#pragma HLS {pragma}")]
            if not re.search(rf"\b{named[1]}\b", re.sub(r"#pragma.*", "", before)):
                found.append(f"names nothing: {pragma}")
    if len(pragmas(text)) != text.count("#pragma"):
        found.append("a pragma that is not HLS, or not at the margin")
    return found
