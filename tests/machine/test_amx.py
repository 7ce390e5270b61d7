"""Whether the processor's matrix unit is used."""

import subprocess
import sys

import pytest

from kerasfusion.machine import amx, cpu


def test_a_processors_features_are_read(monkeypatch):
    found = cpu.parse_cpuinfo("model name : Some CPU\nflags : fpu avx2 avx512f avx512_vnni amx_tile\n\nmodel name : x")
    assert str(found) == "Some CPU (avx2 avx512 vnni amx)"


@pytest.mark.parametrize(("works", "expected"), [(True, None), (False, amx.WITHOUT_AMX)])
def test_amx_is_given_up_only_where_it_is_broken(monkeypatch, works, expected):
    monkeypatch.setenv(amx.VARIABLE, "x")
    monkeypatch.delenv(amx.VARIABLE)
    monkeypatch.setattr(amx, "this_cpu", lambda: cpu.Cpu("Some CPU", ("amx",)))
    monkeypatch.setattr(amx, "_survives", lambda library: works)
    if works:
        amx.avoid_broken_amx("openvino")
    else:
        with pytest.warns(amx.BrokenAmxWarning, match="using AVX-512"):
            amx.avoid_broken_amx("openvino")
    assert amx.os.environ.get(amx.VARIABLE) == expected


def test_openvinos_probe_ends_without_an_error_of_its_own():
    """Which would say nothing about AMX."""
    done = subprocess.run([sys.executable, "-c", amx.PROBES["openvino"]], capture_output=True, text=True)
    assert done.returncode <= 0, done.stderr
