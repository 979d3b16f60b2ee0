"""Devices: loading, names, errors."""

from __future__ import annotations

import pickle

import pytest

from pom import devices
from pom.errors import PomError

EXPECTED = ("xc7v585t", "xc7z020", "xcu250", "xcu280", "xcu55c", "xczu9eg")


def test_the_expected_devices_are_there_and_sorted() -> None:
    assert set(EXPECTED) <= set(devices.available())
    assert list(devices.available()) == sorted(devices.available())


@pytest.mark.parametrize("name", devices.available())
def test_every_device_loads_with_sensible_counts(name: str) -> None:
    device = devices.load(name)
    assert device.name == name
    assert device.ff == 2 * device.lut
    assert min(device.dsp, device.lut, device.bram_18k, device.slrs) > 0
    assert device.clock_ns > 0


def test_a_part_number_or_an_alias_names_the_device() -> None:
    assert devices.load("XCZU9EG-ffvb1156-2-i").name == "xczu9eg"
    assert devices.load("zcu102") is devices.load("xczu9eg")
    assert devices.load("xc7z020-clg484-1").dsp == 220


def test_an_unknown_device_is_refused_with_the_closest_name() -> None:
    with pytest.raises(PomError, match="POM-D080") as caught:
        devices.load("xczu9")
    assert "did you mean 'xczu9eg'" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
