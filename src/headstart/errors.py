"""What goes wrong in words: mistakes a user can mend, and single samples that cannot be read."""


class Mistake(ValueError):
    """The user's mistake; the message is a sentence that says what to do, and the command line prints nothing else."""


class Unreadable(Exception):
    """One sample cannot be read; the others can."""

    def __init__(self, where: str, reason: str):
        super().__init__(f"{where}: {reason}" if where else reason)
        self.where = where
        self.reason = reason
