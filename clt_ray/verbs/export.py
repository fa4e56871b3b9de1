"""`clt-ray export`: the chosen checkpoint of a run as a Hugging Face directory of safetensors."""

import shutil
from pathlib import Path
from typing import Annotated

from clt_ray.locations import locate
from clt_ray.store import Store
from clt_ray.store.documents import MarkerDocument
from clt_ray.training.checkpoints import weights_tree
from clt_ray.verbs.options import Storage, argument
from clt_ray.verbs.terminal import argument_error

RunId = Annotated[str, argument("RUN_ID", "Id of a run, or its first digits.")]
Folder = Annotated[str, argument("DIR", "New folder for the checkpoint.")]


def export(run_id: str, folder: str | Path, storage: str | None = None) -> Path:
    """Copies the chosen checkpoint of a finished run to a new or empty folder, and returns the folder.

    Args:
        run_id: Id of a run, or enough of its first digits to be unique in the store.
        storage: Path or URI of the store; see `clt_ray.locations.locate` for the default.

    Raises:
        ConfigurationError: The run is unknown or not finished, or the folder is not empty.
        TornTreeError: The stored files do not match their recorded hashes.
    """
    store = Store(locate(storage).storage)
    matches = [candidate for candidate in store.run_ids() if candidate.startswith(run_id)]
    if len(matches) != 1:
        message = "no run has this id" if not matches else f"{len(matches)} runs have ids that begin so"
        remedy = "clt-ray best SWEEP lists the ids"
        raise argument_error("export", "RUN_ID", run_id, f"{message} in {store.uri}", remedy)
    directory = store.run_dir(matches[0])
    result = directory.result()
    if result is None:
        message = "the run is not finished"
        raise argument_error("export", "RUN_ID", matches[0], message, "clt-ray status SWEEP tells where it is")
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise argument_error("export", "DIR", str(folder), "is not empty", "name a new folder")
    source = directory.open_tree(weights_tree(result.selection.chosen.step))
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MarkerDocument.FILE))
    return target


def command(run_id: RunId, folder: Folder, storage: Storage = None) -> int:
    print(export(run_id, folder, storage))
    return 0
