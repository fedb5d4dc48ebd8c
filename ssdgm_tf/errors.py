"""The error of a user's mistake at the command line."""


class UserError(Exception):
    """A mistake of the user's: the message says the rule and what was received."""
