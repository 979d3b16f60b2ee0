"""Functions of the generated C++ for operations that have no exact counterpart in the headers."""

from __future__ import annotations

FIXED_ROOT = "fixed_root"

_FIXED_ROOT = """\
// The square root rounded down, bit by bit; zero of negative values.
template <int N, int K>
static ap_ufixed<N, K> fixed_root(ap_fixed<2 * N + 1, 2 * K + 1> value) {
    const ap_uint<2 * N> radicand = value.range(2 * N - 1, 0);
    ap_uint<N + 2> rest = 0;
    ap_uint<N> root = 0;
    for (int k = N - 1; k >= 0; --k) {
#pragma HLS UNROLL
        const ap_uint<2> digits = radicand.range(2 * k + 1, 2 * k);
        const ap_uint<N + 2> next = (rest << 2) | digits;
        const ap_uint<N + 2> trial = (ap_uint<N + 2>(root) << 2) | 1;
        const bool fits = trial <= next;
        rest = fits ? ap_uint<N + 2>(next - trial) : next;
        root = (root << 1) | ap_uint<N>(fits);
    }
    ap_ufixed<N, K> result;
    result.range(N - 1, 0) = value < 0 ? ap_uint<N>(0) : root;
    return result;
}
"""

HELPERS = {FIXED_ROOT: _FIXED_ROOT}
"""The text of each function by its name, which no variable of a kernel may have."""


def helpers(code: str) -> str:
    """The functions that `code` calls, each with an empty line behind it."""
    return "".join(f"{text}\n" for name, text in HELPERS.items() if f"{name}<" in code)
