"""Tests of what `clt_ray.analysis` exports."""

from __future__ import annotations

import subprocess
import sys

import pytest

from clt_ray import analysis


def test_every_exported_name_exists() -> None:
    assert [name for name in analysis.__all__ if not hasattr(analysis, name)] == []
    assert set(analysis.__all__) <= set(dir(analysis))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Stduy'"):
        analysis.Stduy  # noqa: B018


def test_every_table_function_is_exported() -> None:
    assert [name for name in analysis.tables.__all__ if not hasattr(analysis.tables, name)] == []
    assert analysis.tables.gain.__name__ == "gain"


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, clt_ray.analysis; sys.exit('pandas' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
