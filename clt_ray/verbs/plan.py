"""`clt-ray plan`: what `run` would do with every cell of one or several sweeps, and why."""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

from rich.markup import escape
from rich.table import Table

from clt_ray.opened import OpenSweep, open_sweeps
from clt_ray.sweep.cost import assumptions
from clt_ray.sweep.plan import NOT_STARTED, Plan, PlannedCell, make_plan
from clt_ray.training.backends.fit import FitProof, prove
from clt_ray.verbs.options import Json, Overrides, Pilot, Storage, argument, flag, next_command
from clt_ray.verbs.terminal import CELL_COLUMNS, RepeatedCells, console, duration, print_json, table

FAILED = 1

SweepFiles = Annotated[list[str], argument("SWEEP", "Sweep files, planned in this order; shared runs count once.")]
COMPILE_HELP = "Prove that every step fits its TPU chips: asks the TPU compiler, takes minutes and no TPU."


def plan(*sweeps: OpenSweep) -> Plan:
    """Returns the cells of sweeps, and what `run` would do with each and why.

    Several sweeps share a store and are planned as if they ran one after the other, so the first executes shared runs.
    """
    run_ids = list(dict.fromkeys(run.run_id for sweep in sweeps for run in sweep.runs))
    states = sweeps[0].store.states(run_ids) if sweeps else {}
    return make_plan([(sweep.name, sweep.cells) for sweep in sweeps], states)


def prove_fits(planned: Plan, announce: Callable[[FitProof], None] = lambda _: None) -> list[FitProof]:
    """Compiles the training step and the decoding of every model, batch and TPU slice of a plan, without a TPU.

    Runs on CPUs and GPUs are passed over. `announce` gets each proof before its compilation, which takes minutes.

    Raises:
        ConfigurationError: No run is on a TPU that the compiler knows, a model's configuration cannot be read, or
            this environment cannot compile.
        CompilationError: A program cannot be compiled for another reason than the memory of the chips.
    """
    return prove((cell.run for cell in planned.cells), announce)


def command(
    sweeps: SweepFiles,
    storage: Storage = None,
    overrides: Overrides = None,
    pilot: Pilot = False,
    compile_steps: Annotated[bool, flag("--compile", COMPILE_HELP)] = False,
    as_json: Json = False,
) -> int:
    opened = open_sweeps(sweeps, overrides=overrides or (), storage=storage, pilot=pilot)
    planned = plan(*opened)
    if not as_json:
        _print(planned, opened)
    proofs = prove_fits(planned, announce=_announce) if compile_steps else []
    if as_json:
        compiled = {"compiled": [proof.to_json() for proof in proofs]} if compile_steps else {}
        print_json(planned.to_json() | compiled)
    elif compile_steps:
        _print_proofs(proofs)
    return 0 if all(proof.fits for proof in proofs) else FAILED


def _print(planned: Plan, sweeps: Sequence[OpenSweep]) -> None:
    output = console()
    names = dict.fromkeys(cell.sweep for cell in planned.cells)
    for name in names:
        if len(names) > 1:
            output.print(f"[bold]{name}[/bold]", highlight=False)
        output.print(_table([cell for cell in planned.cells if cell.sweep == name]))
        output.print()
    lines = [totals(planned)]
    if len(sweeps) > 1:
        lines.append(f"{planned.shared_between_sweeps} runs are shared between the sweeps, and executed once")
    lines.append(assumptions({task for cell in planned.cells for task in cell.run.tasks}))
    if planned.hub:
        lines.append(f"loaded from the hub at the first run that needs them: {', '.join(planned.hub)}")
    for line in lines:
        output.print(escape(line), highlight=False)
    following = "\n      ".join(next_command(sweep, "run") for sweep in sweeps)
    output.print(f"next: {following}", highlight=False, markup=False, soft_wrap=True)


def _table(cells: Sequence[PlannedCell]) -> Table:
    grid = table(*CELL_COLUMNS, "action", ">rows", ">Mtok", ">steps", ">chip-h", "why")
    for column in grid.columns[:-1]:
        column.no_wrap = True
    series = RepeatedCells()
    for cell in cells:
        run, key, hours = cell.run, cell.cell.key, cell.chip_hours
        grid.add_row(
            *series(key.model, run.task, key.language_group, key.samples_per_language, key.seed),
            cell.action, f"{run.train_rows:,}", f"{cell.tokens / 1e6:,.1f}", f"{run.steps:,}",
            "" if hours is None else f"{hours:,.1f}", _reason(cell),
        )  # fmt: skip
    return grid


def _reason(cell: PlannedCell) -> str:
    if cell.shared_with is None:
        return "new" if cell.reason == NOT_STARTED else cell.reason
    place = cell.shared_with
    sweep = "" if place.sweep == cell.sweep else f"{place.sweep} "
    return f"shared with {sweep}{place.cell.key.language_group}"


def totals(planned: Plan) -> str:
    """Returns the totals line: `16 cells, 14 runs: 12 to run, 2 finished; 12,600 rows in 400 steps to train`."""
    words = {"run": "to run", "resume": "to resume", "skip": "finished", "blocked": "blocked"}
    states = ", ".join(f"{count} {words[action]}" for action, count in planned.actions.items() if count)
    remaining = planned.remaining
    cost = f", about {remaining.chip_hours:,.0f} chip-hours" if remaining.chip_hours else ""
    return (
        f"{len(planned.cells)} cells, {planned.total.runs} runs: {states}; "
        f"{remaining.train_rows:,} rows in {remaining.steps:,} steps to train{cost}"
    )


def _announce(proof: FitProof) -> None:
    place = f"{proof.accelerator} {proof.topology}, mesh {proof.mesh}"
    rows = f"{proof.rows} rows of {proof.tokens:,} tokens"
    print(f"compiling {proof.program} of {proof.model} for {place}, {rows} ...", file=sys.stderr, flush=True)


def _print_proofs(proofs: Sequence[FitProof]) -> None:
    names = ("model", "slice", ">mesh", "program", ">rows x tokens", ">runs", ">layers")
    grid = table(*names, ">state", ">step", ">of a chip", ">at best", "bound by", ">took", "")
    for proof in proofs:
        cost, chip = proof.compiled, _gib(proof.chip_gib)
        shown = ["", "", f"more of {chip}", "", "", ""]
        if cost is not None and proof.limit is not None:
            shown = [
                _gib(cost.arguments_gib), _gib(cost.temporaries_gib + cost.code_gib),
                f"{_gib(cost.total_gib)} of {chip}", f"{1000 * proof.bounds[proof.limit]:,.0f} ms", proof.limit,
                duration(cost.compile_seconds),
            ]  # fmt: skip
        grid.add_row(
            proof.model, f"{proof.accelerator.removeprefix('TPU-')} {proof.topology}", proof.mesh, proof.program,
            f"{proof.rows} x {proof.tokens:,}", str(proof.runs), _layers(proof), *shown,
            proof.verdict if proof.fits else f"[red]{proof.verdict}[/red]",
        )  # fmt: skip
    output = console()
    output.print()
    output.print(grid)
    for proof in proofs:
        if proof.error:
            output.print(f"{proof.model}: {proof.error}", highlight=False, markup=False, soft_wrap=True)
    note = (
        "GiB per chip. State: parameters and optimizer, or cache; step: activations, gradients, gathered weights and "
        "the program. At best: what the chip's published rates allow, for a training step or one token of every reply."
    )
    remedy = " Larger slice, larger tensor part of the mesh, smaller training.batch_size or training.max_length."
    output.print(note + ("" if all(proof.fits for proof in proofs) else remedy), highlight=False)


def _layers(proof: FitProof) -> str:
    compiled = ", ".join(map(str, proof.compiled_layers))
    return compiled if proof.compiled_layers == (proof.layers,) else f"{compiled} of {proof.layers}"


def _gib(value: float) -> str:
    return f"{value:.2f}"
