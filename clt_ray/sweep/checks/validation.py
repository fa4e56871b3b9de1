"""Checks the answers that are generated and scored at validations."""

from collections.abc import Iterator

from clt_ray.sweep.checks.findings import Finding, duplicates
from clt_ray.sweep.document import KeyPath
from clt_ray.sweep.spec import SweepSpec
from clt_ray.tasks import TASKS

GENERATE: KeyPath = ("validation", "generate")


def generated_tasks(spec: SweepSpec) -> tuple[str, ...]:
    """Returns the tasks whose validation rows are answered and scored; none without `validation.generate`."""
    generate = spec.validation.generate
    if generate is None:
        return ()
    return tuple(TASKS) if generate.tasks is None else generate.tasks


def check_generated_tasks(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that the tasks to score are listed once each, and there are some."""
    if spec.validation.generate is not None and not generated_tasks(spec):
        yield Finding((*GENERATE, "tasks"), "is empty", "list tasks, or remove it for all of them")
    yield from duplicates((*GENERATE, "tasks"), generated_tasks(spec))


def check_generated_rows(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that rows to answer are among the validation rows."""
    generate, most = spec.validation.generate, spec.validation.samples_per_language
    if generate is not None and generate.samples_per_language > most:
        remedy = f"write {most} or less, or raise validation.samples_per_language"
        yield Finding(
            (*GENERATE, "samples_per_language"),
            f"is more than the {most} validation rows",
            remedy,
            value=generate.samples_per_language,
        )


def check_generation_steps(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that answers are generated at steps where there is a validation."""
    generate, interval = spec.validation.generate, spec.training.eval_every
    if generate is not None and generate.every is not None and generate.every % interval:
        message = f"is not a multiple of training.eval_every, {interval}"
        yield Finding((*GENERATE, "every"), message, f"write {multiples_around(generate.every, interval)}")


def multiples_around(number: int, divisor: int) -> str:
    """Returns the positive multiples of `divisor` next to a number that is not a multiple: "50 or 100"."""
    lower = number // divisor * divisor
    return f"{lower} or {lower + divisor}" if lower else str(divisor)
