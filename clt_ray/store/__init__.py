"""Run directories, on a disk or in an object store: the state that execution relies on."""

from clt_ray.store.documents import ErrorRecord as ErrorRecord
from clt_ray.store.documents import JudgeDocument as JudgeDocument
from clt_ray.store.documents import JudgeTokens as JudgeTokens
from clt_ray.store.documents import LeaseDocument as LeaseDocument
from clt_ray.store.documents import PeakMemory as PeakMemory
from clt_ray.store.documents import ResultDocument as ResultDocument
from clt_ray.store.documents import StageSeconds as StageSeconds
from clt_ray.store.documents import StatusDocument as StatusDocument
from clt_ray.store.documents import StopDocument as StopDocument
from clt_ray.store.documents import StoreError as StoreError
from clt_ray.store.documents import WaitDocument as WaitDocument
from clt_ray.store.lease import Lease as Lease
from clt_ray.store.lease import LeaseHeld as LeaseHeld
from clt_ray.store.lease import LeaseLost as LeaseLost
from clt_ray.store.metrics import MetricPoint as MetricPoint
from clt_ray.store.owner import Owner as Owner
from clt_ray.store.run_dir import RunDir as RunDir
from clt_ray.store.store import Store as Store
