"""Libraries that warn about every odd file: kept quiet, because a reader says in its own words what it cannot read."""

import logging
import re
import warnings


def quiet(library: str) -> None:
    """Ignore the warnings that `library` gives, and what it logs, from now on.

    Asked at every call: catch_warnings elsewhere undoes it, and here would not be safe among threads.
    """
    logging.getLogger(library).setLevel(logging.CRITICAL)
    rule = ("ignore", None, Warning, re.compile(rf"{library}(\.|$)"), 0)
    if rule not in warnings.filters:
        warnings.filterwarnings("ignore", module=rule[3].pattern)
