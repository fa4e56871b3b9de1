"""Azure Blob Storage: where a server of it is installed, the store is tested on it; see `conftest.SERVERS`."""

from __future__ import annotations

import pytest

from tests.store.conftest import SERVERS
from tests.support.storage_servers import why_no_azure


def test_the_tests_of_the_store_run_on_azure() -> None:
    missing = why_no_azure()
    if missing:
        pytest.skip(missing)
    assert "azure" in SERVERS
