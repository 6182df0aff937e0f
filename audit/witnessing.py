"""The log's side of c2sp.org/tlog-witness: asks a witness for its cosignature, and checks what it gets."""

from base64 import b64encode
from collections.abc import Callable, Sequence

from audit.exchange import Answer, ExchangeFailed, exchange
from audit.verify import NUMBER, Mismatch, Note, VKey, check_signatures, parse_checkpoint, parse_note

SECONDS = 20.0
MOST_TRIES = 4


class WitnessFailed(Exception):
    """There is no cosignature. Says why."""


class Conflict(WitnessFailed):
    """The witness has cosigned another size than the proof begins with."""

    def __init__(self, size: int) -> None:
        super().__init__(f"The witness remembers a tree of {size} leaves.")
        self.size = size


class Ahead(Conflict):
    """The witness has cosigned a tree that is larger than ours: the log has lost leaves, or somebody else is logging
    under its name."""


class Refused(WitnessFailed):
    """The witness will not cosign this until somebody changes something. `status` is 404 or 403 where it does not know
    the log or its key, and 422 where what it is shown does not continue what it has cosigned."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"The witness answered {status}: {text}")
        self.status = status


def submit(
    url: str, vkey: str, note: str, old: int, proof_from: Callable[[int], Sequence[bytes]], *,
    seconds: float = SECONDS, ca_file: str = "",
) -> str:  # fmt: skip
    """The cosignature line, verified, to be appended to the note.

    `old` is the size that the witness is thought to remember. It says so if it remembers another, and is asked again
    with the proof from there, which `proof_from` makes. Raises WitnessFailed, also as Ahead and Refused.
    """
    size = parse_checkpoint(parse_note(note).body).size
    for _ in range(MOST_TRIES):
        try:
            return ask(url, vkey, note, old, proof_from(old), seconds=seconds, ca_file=ca_file)
        except Conflict as conflict:
            if conflict.size > size:
                raise Ahead(conflict.size) from None
            old = conflict.size
    raise WitnessFailed(f"The witness has told {MOST_TRIES} times that it remembers another size.")


def ask(
    url: str, vkey: str, note: str, old: int, proof: Sequence[bytes], *, seconds: float = SECONDS, ca_file: str = ""
) -> str:
    """One try. Raises WitnessFailed, as Conflict for another size."""
    lines = "".join(f"{b64encode(digest).decode()}\n" for digest in proof)
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    try:
        answer = exchange("POST", f"{url.rstrip('/')}/add-checkpoint", content=f"old {old}\n{lines}\n{note}".encode(),
                          headers=headers, seconds=seconds, ca_file=ca_file)  # fmt: skip
    except ExchangeFailed as fault:
        raise WitnessFailed(f"The witness: {fault}") from fault
    if answer.status == 409:
        raise Conflict(_size(answer))
    if answer.status in {400, 403, 404, 422}:
        raise Refused(answer.status, answer.text[:200].strip())
    if answer.status != 200:
        raise WitnessFailed(f"The witness answered {answer.status}.")
    return _cosignature(answer.text, note, vkey)


def _size(answer: Answer) -> int:
    told = answer.text.removesuffix("\n")
    if answer.headers.get("Content-Type") != "text/x.tlog.size" or not NUMBER.fullmatch(told):
        raise WitnessFailed("The witness answered 409 without the size that it remembers.")
    return int(told)


def _cosignature(lines: str, note: str, vkey: str) -> str:
    """Of the lines that came, the one of the key we trust; others are none of our business."""
    try:
        witness, body = VKey.parse(vkey), parse_note(note).body
        for name, identity, signature in parse_note(f"{body}\n{lines}").lines:
            if (name, identity) == (witness.name, witness.id):
                if not check_signatures(Note(body, [(name, identity, signature)]), [witness]).verified.get(witness):
                    raise WitnessFailed("The cosignature tells no moment, or cannot be checked here.")
                return f"— {name} {b64encode(identity + signature).decode()}\n"
    except Mismatch as fault:
        raise WitnessFailed(f"The witness answered with what is no cosignature of this: {fault}") from fault
    raise WitnessFailed("The witness has not signed with the key that is known of it.")
