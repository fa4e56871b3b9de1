"""Shared by all tests: no telemetry, no hub, everything on 127.0.0.1."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest

os.environ.update(
    RAY_USAGE_STATS_ENABLED="0",
    MLFLOW_DISABLE_TELEMETRY="true",
    HF_HUB_OFFLINE="1",
    TOKENIZERS_PARALLELISM="false",
    OMP_NUM_THREADS="1",
)
for leaked in ("CLT_RAY_STORAGE", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
    os.environ.pop(leaked, None)

# A shell makes its background processes ignore SIGINT, and their children, which tests interrupt, would ignore it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine must not fail a property test: the suites are judged by their results alone.
hypothesis.settings.register_profile("without deadline", deadline=None)
hypothesis.settings.load_profile("without deadline")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real rows, where the machine has them."""
    path = Path(os.environ.get("CLT_RAY_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real rows at {path}; set CLT_RAY_SHARED_DATA")
    return path
