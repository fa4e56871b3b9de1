"""Run directories, on a disk or in an object store: the state that execution relies on."""

from clt_ray.store.documents import (
    ErrorRecord,
    JudgeDocument,
    JudgeTokens,
    LeaseDocument,
    PeakMemory,
    ResultDocument,
    StageSeconds,
    StatusDocument,
)
from clt_ray.store.errors import LeaseHeld, LeaseLost, StoreError, TornTreeError
from clt_ray.store.lease import Lease
from clt_ray.store.metrics import MetricPoint
from clt_ray.store.owner import Owner
from clt_ray.store.run_dir import RunDir
from clt_ray.store.store import Store

__all__ = [
    "ErrorRecord",
    "JudgeDocument",
    "JudgeTokens",
    "Lease",
    "LeaseDocument",
    "LeaseHeld",
    "LeaseLost",
    "MetricPoint",
    "Owner",
    "PeakMemory",
    "ResultDocument",
    "RunDir",
    "StageSeconds",
    "StatusDocument",
    "Store",
    "StoreError",
    "TornTreeError",
]
