"""The tour: each rule of the lesson is looked at in the running application, and a table says what was found."""

from .table import go

__all__ = ["go"]
