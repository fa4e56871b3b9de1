"""TPU slices through torch_xla: one process per host, all chips of the slice as one SPMD program.

Reading order: `plan` (which chip holds what), `model` and `weights` (a sharded model from safetensors), `loss`,
`optimizer`, `step` (one training step as one graph), `trainer`, `checkpoint` and `writes` (saving while training goes
on), `decode`, `backend` (the seam).

`plan`, `fit` and `environment` import neither torch nor torch_xla: planning and the processes that start workers
use them on machines that have no TPU libraries.
"""
