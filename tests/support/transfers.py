"""Counts how often this process has read from its devices."""

from __future__ import annotations


def device_reads() -> int:
    """The number of transfers from the device to the host so far; each waits for the device."""
    import torch_xla.debug.metrics as metrics

    transfers = metrics.metric_data("TransferFromDeviceTime")
    return int(transfers[0]) if transfers else 0
