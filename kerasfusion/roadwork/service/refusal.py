"""A request that gets no answer: its status, and the words that say why."""


class Refusal(Exception):
    """Ends a request.

    Args:
        status: of HTTP.
        what: what is wrong, one sentence.
        expected: what would have been right.
        todo: what the sender can do next.
        retry_s: seconds after which to try again, if that helps.
    """

    def __init__(self, status: int, what: str, *, expected: str, todo: str, retry_s: int | None = None):
        self.status, self.what, self.expected, self.todo, self.retry_s = status, what, expected, todo, retry_s
        super().__init__(what)

    def to_json(self) -> dict[str, str]:
        """The body of the response: error, expected, todo."""
        return {"error": self.what, "expected": self.expected, "todo": self.todo}

    def headers(self) -> dict[str, str]:
        """Headers of the response."""
        return {} if self.retry_s is None else {"Retry-After": str(self.retry_s)}
