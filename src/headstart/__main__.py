"""`python -m headstart` is `headstart`."""

from .cli import main

main()
