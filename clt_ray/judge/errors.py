"""What keeps a judge from rating."""

from __future__ import annotations

from clt_ray.errors import CltRayError


class JudgeStopped(CltRayError):
    """The judge refuses every request, so none is sent any more."""


class Unanswered(Exception):
    """One request that got no reply; its text says why."""
