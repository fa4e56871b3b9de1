"""Asks a run to stop when Ray announces that the node of one of its workers will be taken away.

Ray learns of a preemption from the autoscaler or from `ray drain-node`, and lists the node as draining until it is
gone. `ray.train.get_preemption_info` tells the same, but every worker has to call it equally often.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator

from clt_ray.store import RunDir, StatusDocument

log = logging.getLogger(__name__)

POLL_SECONDS = 3.0
"""Time between two requests to Ray's control store. Providers announce a preemption 30 s or more before it."""
NOTICE = "preemption notice: the node will be taken away"


def was_preempted(status: StatusDocument | None) -> bool:
    """Returns whether the attempt of a status ended because of a notice, so that the run continues on another node."""
    return status is not None and status.stopped == NOTICE


@contextlib.contextmanager
def watched_node(directory: RunDir, claim: str | None = None) -> Iterator[None]:
    """Asks the run of a directory to stop if this worker's node is announced to be taken away during the block.

    With a `claim`, only an attempt that holds the lease with it is asked; see `RunDir.request_stop`.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(directory, claim, ended), name="clt-ray-preemption", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


def _watch(directory: RunDir, claim: str | None, ended: threading.Event) -> None:
    import ray
    from ray._private.state import state

    node = ray.get_runtime_context().get_node_id()
    while not ended.wait(POLL_SECONDS):
        try:
            # Ray has no public function for this; its own `PreemptionWatcher` calls it, too.
            # An attempt that has only just begun deletes the request, which is then made again.
            if node in state.get_draining_nodes() and directory.stop_request() is None:
                directory.request_stop(NOTICE, claim)
        except Exception as error:
            log.warning("it is unknown whether node %s will be taken away: %s", node, error)
