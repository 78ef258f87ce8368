"""Exceptions of raptors' own; every other mistake is a built-in exception."""


class AxisError(ValueError, IndexError):
    """An axis that an array does not have: as NumPy's, a ValueError and an IndexError."""


AxisError.__module__ = "raptors"
