"""Azure Blob Storage: on a machine with a server of it, the tests of the store run on it too; see `conftest.SERVERS`."""

from __future__ import annotations

import pytest

from tests.store.conftest import SERVERS
from tests.support.storage_servers import why_no_azure


def test_the_tests_of_the_store_run_on_azure() -> None:
    missing = why_no_azure()
    if missing:
        pytest.skip(missing)
    assert "azure" in SERVERS
