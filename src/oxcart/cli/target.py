"""MODULE:TARGET: finds the workers that a user names."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from ..worker.worker import Worker


class TargetError(Exception):
    """What MODULE:TARGET names can't be had; says what to do."""


def check_shape(target: str) -> tuple[str, str]:
    """Module and name; a `TargetError` if it is neither."""
    module, colon, name = target.partition(":")
    if not colon or not module or not name:
        raise TargetError(f"{target!r}: write MODULE:TARGET, such as myapp.worker:worker")
    if module.endswith(".py") or "/" in module:
        dotted = module.removeprefix("./").removesuffix(".py").strip("/").replace("/", ".")
        raise TargetError(f"{target!r}: a module is named without .py and with dots: {dotted}:{name}")
    return module, name


def load(target: str) -> list[Worker]:
    """The workers: a `Worker`, a list of them, or a function that returns either."""
    module_name, name = check_shape(target)
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        _refuse_another(target, module_name, here)
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise TargetError(f"{target}: there is no module {error.name!r} here ({here}) or installed") from None
        raise
    for part in name.split("."):
        if not hasattr(found, part):
            _refuse_another(target, module_name, here)
            raise TargetError(f"{target}: module {module_name!r} has no {name!r}")
        found = getattr(found, part)
    if callable(found) and not isinstance(found, Worker):
        found = found()
    workers = [found] if isinstance(found, Worker) else list(cast(Iterable[Any], found)) if _is_list(found) else []
    if not workers or not all(isinstance(worker, Worker) for worker in workers):
        kind = type(found).__name__
        raise TargetError(f"{target}: a Worker, a list of them, or a function that returns either, not {kind}")
    if len(set(workers)) < len(workers):
        raise TargetError(f"{target}: names a worker twice; --processes and concurrency= are for more at once")
    return cast(list[Worker], workers)


def _refuse_another(target: str, module_name: str, here: str) -> None:
    """Tell who has a file named as a module that comes before it, such as email.py, that it isn't theirs we found."""
    meant = Path(here, *module_name.split("."))
    top, *_ = module_name.split(".")
    found = sys.modules.get(top)
    if found is None or not (meant.with_suffix(".py").is_file() or (meant / "__init__.py").is_file()):
        return
    file = getattr(found, "__file__", None)
    folders = [os.path.dirname(file)] if file else list(getattr(found, "__path__", []))
    if any(os.path.realpath(folder) in (here, os.path.realpath(Path(here, top))) for folder in folders):
        return
    whose = "of the standard library, " if top in sys.stdlib_module_names else ""
    raise TargetError(f"{target}: {top!r} is another module ({whose}{file or 'built in'}): give your file another name")


def select(workers: list[Worker], queues: tuple[str, ...], target: str) -> list[Worker]:
    """Only those of the queues that were named; all if none was."""
    unknown = set(queues) - {worker.queue_name for worker in workers}
    if unknown:
        known = ", ".join(sorted({worker.queue_name for worker in workers}))
        raise TargetError(f"--queue {', '.join(sorted(unknown))}: {target} has workers for {known}")
    return [worker for worker in workers if not queues or worker.queue_name in queues]


def _is_list(found: object) -> bool:
    return isinstance(found, list | tuple)
