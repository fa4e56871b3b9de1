"""Everything of torch_xla and torch that is not public and that this backend needs, as it is in torch_xla 2.9.

Other modules use these functions by their names here, and `require_known_version` is asked before a run starts. The
functions that record and repeat graphs are those of torch_xla's bridge for torch.compile (torch_xla/_dynamo).
"""

from importlib.metadata import version

import torch
import torch_xla
from torch import Tensor
from torch_xla._dynamo.dynamo_bridge import alias_with_buffer_donor_config

from clt_ray.errors import ConfigurationError, Problem

KNOWN_VERSION = "2.9"
"""Version of torch_xla in which these functions were read."""

annotate_sharding = torch_xla._XLAC._xla_annotate_custom_sharding
"""Splits a tensor in every graph that computes or reads it."""
parts_of_host = torch_xla._XLAC._get_local_shard_replica_and_indices
"""Returns for each tensor the replicas and indices of the parts that this process holds."""
hlo_of = torch_xla._XLAC._get_xla_tensors_hlo_proto
"""Returns the graph that computes tensors as a serialised HLO module."""
donate = torch_xla._XLAC._set_buffer_donation
"""Lets graphs that are compiled from now on overwrite the memory of a tensor, or not."""
inputs_of = torch_xla._XLAC._get_tensors_xla_device_data_node
"""Returns the numbers and the values of what the graph of some tensors reads, in the order of its arguments."""
are_computed = torch_xla._XLAC._check_tensor_need_materialization
"""Returns for each tensor whether it is the result of recorded operations, rather than a value on the chips."""
number_of = torch_xla._XLAC._xla_get_tensor_id
run_compiled = torch_xla._XLAC._run_cached_graph
"""Starts the compiled graph with a key on arguments, and returns its results."""


def require_known_version() -> None:
    """Checks that torch_xla is the one in which the functions here were read.

    Raises:
        ConfigurationError: It is another one.
    """
    if not version("torch_xla").startswith(f"{KNOWN_VERSION}."):
        message = f"this backend relies on what is not public in torch_xla {KNOWN_VERSION}"
        remedy = "pip install 'clt-ray[tpu]' in an environment of its own"
        raise ConfigurationError([Problem("environment", "torch_xla", version("torch_xla"), message, remedy)])


def compiled_key(results: list[Tensor]) -> bytes:
    """Compiles the graph of some tensors, unless the process has compiled it before, and returns its key."""
    with alias_with_buffer_donor_config():
        key: bytes = torch_xla._XLAC._get_graph_hash(results)
        torch_xla._XLAC._xla_warm_up_cache(results, [])
    return key


def forget_recorded() -> None:
    """Drops every operation that was recorded and has not been computed."""
    torch_xla._XLAC._clear_pending_irs(str(torch_xla.device()))


def replace_value(tensor: Tensor, value: Tensor) -> None:
    """Gives a tensor, and all views of it that are made from now on, another value on the chips."""
    torch._functionalize_replace(tensor, torch._from_functional_tensor(value))
    torch._functionalize_commit_update(tensor)
    torch._functionalize_sync(tensor)
