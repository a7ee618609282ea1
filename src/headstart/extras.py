"""Libraries that only some formats need: imported when such a file is opened, and named when they are missing."""

from importlib import import_module
from types import ModuleType

from .errors import Mistake


def need(module: str, extra: str, what: str) -> ModuleType:
    """The module; where it is missing, an error that says which extra installs it. what: "reading .flac"."""
    try:
        return import_module(module)
    except ImportError as error:
        if error.name and error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # the library is there, and broken: that is not ours to explain
        package = module.partition(".")[0]
        raise Mistake(f'{what} needs {package}: pip install "headstart[{extra}]"') from error
