"""One file per thing that a user does.

Each file has the verb's options, its function (which is also the Python API), its typed result, its table and its
JSON, and a `command` that opens the sweep, calls the function and prints. `clt_ray.cli` assembles the commands.

What a verb works with is imported inside its function. So `clt-ray --help` loads every verb and nothing else.
"""
