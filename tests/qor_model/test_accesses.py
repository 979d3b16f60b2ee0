"""Accesses that may be to the same element are found without comparing each with each."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pom.qor_model.expand import Element, _Accesses

LINEAR = st.sampled_from([(), (("i", 1),), (("j", 1),), (("i", 1), ("j", 2))])
KNOWN = st.builds(
    Element,
    st.sampled_from("AB"),
    st.tuples(LINEAR, LINEAR),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
)
ELEMENTS = st.one_of(KNOWN, st.builds(Element, st.sampled_from("AB"), st.none(), st.just(())))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(ELEMENTS, st.booleans()), max_size=14), st.lists(ELEMENTS, max_size=4))
def test_aliases_are_those_that_a_comparison_finds(steps, asked):
    accesses, known = _Accesses(), {}
    for position, (element, is_asked) in enumerate(steps):
        accesses.add(element, position)
        known[position] = element
        if is_asked:
            # what is asked for in between makes tables that have to stay complete
            accesses.aliases(element)
            if position % 3 == 0:
                accesses.remove(element, position)
                del known[position]
    for element in (*asked, *(element for element, _ in steps)):
        found = accesses.aliases(element)
        assert sorted(found) == [p for p, other in known.items() if element.may_alias(other)]
