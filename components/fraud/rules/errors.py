"""What can be wrong with a rule set."""


class RuleSetError(ValueError):
    """A rule set that cannot be used; the message names the line, the key and what is allowed.

    Attributes:
        line: Where in the text, from 1; 0 where no line is to blame.
    """

    def __init__(self, source: str, line: int, message: str) -> None:
        place = f"{source}, line {line}" if line else source
        super().__init__(f"{place}: {message}")
        self.line = line
