"""Plans of sweep specifications, without a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clt_ray.sweep import Plan, RunStatus, SweepSpec, cells, make_plan


def plan_specs(specs: SweepSpec | Sequence[SweepSpec], states: Mapping[str, RunStatus]) -> Plan:
    """Plans one sweep, or several in their order."""
    several = [specs] if isinstance(specs, SweepSpec) else specs
    return make_plan([(spec.name, cells(spec)) for spec in several], states)
