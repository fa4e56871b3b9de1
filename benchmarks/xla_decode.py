"""Measures what one more token of every reply takes on a slice, for the models of `sweeps/paper`, by libtpu's compiler.

The program is that of the evaluation (`clt_ray.training.backends.xla.decode`): 256 prompts of up to 1,024 tokens with
replies of up to 512, at each model's real layer shapes. It is compiled at two depths for the topology and mesh of the
sweep, and extrapolated to all layers. The figures of each model are the bytes that a chip reads and writes and those
that it exchanges, the time that the published rates of the chip allow (the largest of three bounds), and how long 2,000
prompts whose replies all have 512 tokens take at that rate, in eight batches. The baseline is the time that gathering
all weights for every token would take, which is what a program does that splits activations by rows.

    .venv-tpu/bin/python benchmarks/xla_decode.py [--layers 4 8] [--models llama-3.1-8b aya-23-8b aya-23-35b]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace

from _result import emit
from clt_ray.sweep.accelerators import TPUS
from clt_ray.training.backends.xla.proof.depth import Step, compile_layers, extrapolate
from clt_ray.training.backends.xla.proof.prove import bounds
from tpu_compile import LAYERS, SHAPES, runs

PROMPTS, ROWS, PROMPT_TOKENS, NEW_TOKENS = 2_000, 256, 1_024, 512
PARAMETERS = {"llama-3.1-8b": 8.03e9, "aya-23-8b": 8.03e9, "aya-23-35b": 35.0e9}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, nargs=2, default=[4, 8])
    parser.add_argument("--models", nargs="+", choices=LAYERS, default=list(LAYERS))
    options = parser.parse_args(arguments)
    shallow, deep = options.layers
    figures: dict[str, float] = {}
    baseline: dict[str, float] = {}
    for name, run in runs().items():
        if name not in options.models:
            continue
        kind, mesh = TPUS[run.hardware.accelerator], run.hardware.mesh_shape
        model = SHAPES[name] | {"num_hidden_layers": LAYERS[name]}
        token = Step(model, f"{kind.compiler_name}:{run.hardware.topology}", mesh, ROWS, PROMPT_TOKENS,
                     new_tokens=NEW_TOKENS)  # fmt: skip
        ends = compile_layers(token, shallow), compile_layers(token, deep)
        whole = extrapolate(*ends, (shallow, deep), LAYERS[name])
        seconds = bounds(whole, kind)
        steps = math.ceil(PROMPTS / ROWS) * NEW_TOKENS
        figures |= {f"{name}.{bound}_seconds_per_token": value for bound, value in seconds.items()}
        figures |= {
            f"{name}.gib_of_a_chip": whole.total_gib,
            f"{name}.exchanged_bytes_per_token": sum(whole.collectives.values()),
            f"{name}.seconds_of_an_evaluation": steps * max(seconds.values()),
        }
        gathered = replace(whole, collectives={"all-gather": 2 * PARAMETERS[name]})
        baseline |= {
            f"{name}.exchanged_bytes_per_token": 2 * PARAMETERS[name],
            f"{name}.seconds_of_an_evaluation": steps * max(bounds(gathered, kind).values()),
        }
    emit("xla_decode", figures, baseline)


if __name__ == "__main__":
    main()
