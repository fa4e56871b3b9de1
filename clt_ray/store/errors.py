"""Errors of run directories: damaged documents and trees, and leases that another process holds."""

from __future__ import annotations

from clt_ray.errors import CltRayError


class StoreError(CltRayError):
    """A stored document that clt-ray cannot have written."""


class LeaseHeld(CltRayError):
    """Another process holds the lease."""


class LeaseLost(CltRayError):
    """This process no longer holds the lease that it acquired, so it must not write any more."""


class TornTreeError(CltRayError, OSError):
    """A stored tree whose files differ from the files that its marker names.

    It is also an `OSError`, because to a reader of the tree it is a file that cannot be read.
    """

    def __init__(self, tree: str, file: str, reason: str) -> None:
        """Describes the damage.

        Args:
            tree: URI of the tree.
            file: Path of the first differing file inside the tree.
            reason: What is wrong with the file, as a clause.
        """
        self.tree, self.file, self.reason = tree, file, reason
        super().__init__(f"{tree}/{file}: {reason}")
