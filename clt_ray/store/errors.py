"""What can go wrong between a run and its directory."""

from __future__ import annotations

from clt_ray.errors import CltRayError


class StoreError(CltRayError):
    """A stored document that cannot be what this program wrote."""


class LeaseHeld(CltRayError):
    """Somebody else holds the lease."""


class LeaseLost(CltRayError):
    """This process no longer holds the lease it acquired, so it must not write any more."""


class TornTreeError(CltRayError, OSError):
    """A stored tree whose files are not those its marker was written for.

    Also an `OSError`, because to its reader it is a file that cannot be read.
    """

    def __init__(self, tree: str, file: str, reason: str) -> None:
        self.tree, self.file, self.reason = tree, file, reason
        super().__init__(f"{tree}/{file}: {reason}")
