"""Limits are read, checked against the device, and contradictions are refused."""

from __future__ import annotations

import pytest

from pom import devices
from pom.dse.problem import Resources, limits_of
from pom.errors import PomError

Z020 = devices.load("xc7z020")


def test_no_limit_is_the_whole_device():
    assert limits_of(Z020, ()).dsp == 220


def test_share_and_absolute():
    limits = limits_of(Z020, ("dsp=50%", "lut=1000", "BRAM=3"))
    assert (limits.dsp, limits.lut, limits.bram_18k, limits.ff) == (110, 1000, 3, Z020.ff)


@pytest.mark.parametrize("text", ["dsp", "dps=1", "dsp=many", "dsp=-1", "dsp=221", "lut=101%", "="])
def test_bad_limits_are_refused(text):
    with pytest.raises(PomError, match="POM-X110"):
        limits_of(Z020, (text,))


def test_a_misspelt_resource_gets_a_suggestion():
    with pytest.raises(PomError) as caught:
        limits_of(Z020, ("luts=3",))
    assert "did you mean 'lut'" in str(caught.value.hint)


def test_two_limits_for_one_resource_are_refused():
    with pytest.raises(PomError, match="POM-X111"):
        limits_of(Z020, ("dsp=10", "dsp=20"))


def test_exceeded_names_the_resources():
    assert Resources(dsp=3, lut=5).exceeded(Resources(dsp=2, lut=5)) == ("dsp",)
