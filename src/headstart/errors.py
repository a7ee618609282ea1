"""What goes wrong in words: mistakes a user can mend, and single samples that cannot be read."""


class Mistake(Exception):
    """The user asked for something that cannot be; the message says what to do. Printed without a traceback."""


class Unreadable(Exception):
    """One sample cannot be read; the others can."""

    def __init__(self, where: str, reason: str):
        super().__init__(f"{where}: {reason}" if where else reason)
        self.where = where
        self.reason = reason
