"""What a user can do wrong."""


class Mistake(ValueError):
    """The user's mistake; the message is a sentence that says what to do, and the command line prints nothing else."""
