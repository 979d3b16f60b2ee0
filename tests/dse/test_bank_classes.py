"""Classes of rows by the banks that they want, against every pair of rows looked at by itself."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pom.dse.bank_classes import Agreement, BankClasses, different_rows

DIMS = (("A", 0), ("A", 1), ("B", 0), ("C", 0))
BANKS = st.sampled_from((1, 2, 3, 4))


@st.composite
def tables(draw):
    """What the rows of a nest want, and the dims that bind others."""
    dims = draw(st.lists(st.sampled_from(DIMS), unique=True, max_size=4))
    rows = draw(st.integers(1, 8))
    columns = st.lists(BANKS, min_size=rows, max_size=rows)
    banks = {key: np.array(draw(columns), dtype=np.int64) for key in dims}
    bound = [key for key in dims if draw(st.booleans())]
    return banks, bound, rows


def classes(table):
    banks, bound, _ = table
    return BankClasses(banks, bound, DIMS)


@given(tables(), st.booleans())
def test_a_row_binds_every_dim_to_what_it_wants(table, is_strict):
    banks, bound, rows = table
    if not banks:
        return
    found = classes(table)
    for row in range(rows):
        for key, number in zip(DIMS, found.bound_by(row, is_strict).tolist(), strict=True):
            wanted = int(banks[key][row]) if key in bound else 0
            assert number == (0 if wanted == 1 and not is_strict else wanted)


@given(tables(), st.lists(st.sampled_from((0, 1, 2, 3, 4)), min_size=4, max_size=4))
def test_rows_agree_with_what_they_are_bound_to(table, bound_to):
    banks, _, rows = table
    if not banks:
        return
    found = classes(table)
    agrees = found.agrees(np.array(bound_to, dtype=np.int64)[found.columns])
    by_dim = dict(zip(DIMS, bound_to, strict=True))
    for row in range(rows):
        wanted = {key: int(banks[key][row]) for key in found.dims}
        assert agrees[row] == all(by_dim[k] % w == 0 for k, w in wanted.items())


@given(tables(), tables(), st.data())
def test_the_least_beside_a_class_is_the_least_of_the_rows_that_go_with_it(one, other, data):
    keys = sorted(set(one[1]) & set(other[1]))
    if not keys:
        return
    mine, theirs = classes(one), classes(other)
    values = np.array([float(data.draw(st.integers(0, 9))) for _ in range(other[2])])
    least = Agreement(mine, theirs, keys).least_beside(theirs.of, values)[mine.of]
    for row in range(one[2]):
        fitting = [
            values[at]
            for at in range(other[2])
            if all(other[0][k][at] in (1, one[0][k][row]) for k in keys)
        ]
        assert least[row] == min(fitting, default=np.inf)


@given(
    st.integers(0, 5).flatmap(
        lambda width: st.lists(
            st.lists(st.sampled_from((0, 1, 5, 1 << 20, 1 << 40)), min_size=width, max_size=width),
            min_size=1, max_size=9,
        )
    )
)  # fmt: skip
def test_different_rows_are_in_lexicographic_order(rows):
    matrix = np.array(rows, dtype=np.int64).reshape(len(rows), -1)
    different, which = different_rows(list(matrix.T), len(rows))
    assert different.tolist() == [list(row) for row in sorted({tuple(row) for row in rows})]
    assert different[which].tolist() == rows
