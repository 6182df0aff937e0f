"""What may go wrong in a way that the caller is told about; pages and the API answer each in one form."""

from collections.abc import Mapping


class Refusal(Exception):
    """A request that was understood and is not done. `code` is stable for programs, the text is for people."""

    status = 400
    code = "refused"

    def __init__(self, text: str, *, code: str | None = None, detail: Mapping[str, object] | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.code = code or self.code
        self.detail = dict(detail or {})


class Invalid(Refusal):
    """The input does not say what it must; the text names the place."""

    status = 422
    code = "invalid"


class NotFound(Refusal):
    """Also for rows of other teams: whether they exist is not told."""

    status = 404
    code = "not_found"


class Forbidden(Refusal):
    status = 403
    code = "forbidden"


class StepUpRequired(Forbidden):
    """The person is known, but must prove presence again before this act."""

    code = "step_up_required"


class Conflict(Refusal):
    """The row moved on meanwhile; nothing was changed."""

    status = 409
    code = "conflict"


class Tampered(Exception):
    """A row does not match what was signed. Never shown to an agent in detail; always leaves an alarm Record."""
