"""Errors of requests to a judge."""

from __future__ import annotations

from clt_ray.errors import CltRayError


class JudgeStopped(CltRayError):
    """The judge refuses every request, so no more are sent."""


class Unanswered(Exception):
    """A single request got no reply, for the reason in the message."""
