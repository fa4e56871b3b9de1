"""Hashes of the bundled corpus and model, which are part of the identity of every run that uses them."""

import hashlib
import json
from pathlib import Path

from clt_ray.data.bundled.corpus import SPLITS, TASKS, raw_rows
from clt_ray.data.bundled.lexicon import LANGUAGES

MODEL_FILES = ("model.safetensors", "tokenizer.json")
"""The files of the model that determine its outputs."""


def corpus_fingerprint() -> str:
    """Returns the SHA-256 hash in hexadecimal of every row of every task, language and split."""
    digest = hashlib.sha256()
    for task in TASKS:
        for language in LANGUAGES:
            for split in SPLITS:
                rows = raw_rows(task, language, split)
                digest.update(json.dumps([task, language, split, rows], ensure_ascii=False).encode())
    return digest.hexdigest()


def model_fingerprint(folder: Path) -> str:
    """Returns the SHA-256 hash in hexadecimal of the weights and the tokenizer in a folder."""
    digest = hashlib.sha256()
    for name in MODEL_FILES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()
