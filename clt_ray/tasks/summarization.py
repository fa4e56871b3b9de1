"""Summarization of news articles: XL-Sum, scored by ROUGE-L with tokens that suit each language."""

from clt_ray.tasks.declaration import HubFiles, Metric, Task

XLSUM = "csebuetnlp/xlsum"
CONVERTED = "refs/convert/parquet"
"""Branch on which the hub keeps a parquet copy of data sets that are published as loading scripts."""


def _files(split: str) -> tuple[HubFiles, ...]:
    return (HubFiles(XLSUM, files=f"{{name}}/{split}/*.parquet", revision=CONVERTED),)


SUMMARIZATION = Task(
    name="summarization",
    label="Summarization",
    input_column="text",
    target_column="summary",
    scorer="clt_ray.evaluation.scorers.rouge:score",
    metrics=(Metric("rougeL", "ROUGE-L"), Metric("rouge1", "ROUGE-1"), Metric("rouge2", "ROUGE-2")),
    bundled=True,
    dataset=XLSUM,
    # The main branch is a loading script, which current versions of `datasets` refuse; this branch has the same rows.
    revision=CONVERTED,
    hub_layouts={XLSUM: {split: _files(split) for split in ("train", "validation", "test")}},
    max_new_tokens=128,
    # An XL-Sum article has about 430 words.
    tokens_per_row=900,
    colour="#d55e00",
    dark_colour="#f0884a",
)
