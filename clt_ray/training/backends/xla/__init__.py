"""TPU slices through torch_xla: one process per host, all chips of the slice as one SPMD program.

Reading order: `plan` (which chip holds which part of a tensor), `model` and `weights` (a sharded model from
safetensors), `vocabulary` (embedding and loss), `optimizer`, `step` (one training step as one graph), `trainer`,
`checkpoint` and `writes` (saving while training continues), `decode`, `backend` (the implementation of `Backend`),
`proof` (memory of a step without a TPU).

`plan`, `environment` and `proof.prove` import neither torch nor torch_xla: they are used on machines that have no TPU
libraries, for planning and by the processes that start workers.
"""
