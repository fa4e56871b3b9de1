"""What execution trusts: one directory per run, on a disk or in an object store."""

from clt_ray.store.errors import LeaseHeld, LeaseLost, StoreError, TornTreeError
from clt_ray.store.lease import Lease
from clt_ray.store.metrics import MetricPoint
from clt_ray.store.owner import Owner
from clt_ray.store.run_dir import RunDir
from clt_ray.store.store import Store

__all__ = [
    "Lease",
    "LeaseHeld",
    "LeaseLost",
    "MetricPoint",
    "Owner",
    "RunDir",
    "Store",
    "StoreError",
    "TornTreeError",
]
