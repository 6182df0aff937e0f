"""Asking the signer, which is another process: see `audit.signer` for what is said."""

import socket
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from audit.note import checkpoint_body

PATIENCE = 10.0  # seconds


class SignerAway(Exception):
    """It could not be asked, or could not answer: try again."""


class SignerRefused(Exception):
    """It will not sign this tree. Says why, in words for an operator."""


class SignerClient:
    def __init__(self, path: Path) -> None:
        self.path = path

    def tree(self, origin: str) -> str:
        """The last note that was signed for this origin; "" when there is none."""
        note = self._ask(f"tree {origin}\n")
        return "" if note == "none\n" else note

    def keys(self, origin: str) -> list[str]:
        """Verifier keys, oldest first. Empty before the first checkpoint."""
        return self._ask(f"keys {origin}\n").split()

    def sign(self, origin: str, size: int, root: bytes, *, old: int, proof: Sequence[bytes], opens: bytes = b"") -> str:
        """The signed note. `opens` is leaf 0 of a tree that goes on after a restore."""
        opening = [f"opens {b64encode(opens).decode()}"] if opens else []
        lines = [*opening, f"old {old}", *(b64encode(digest).decode() for digest in proof)]
        return self._ask("sign\n" + "\n".join(lines) + "\n\n" + checkpoint_body(origin, size, root))

    def _ask(self, request: str) -> str:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(PATIENCE)
                connection.connect(str(self.path))
                connection.sendall(request.encode())
                connection.shutdown(socket.SHUT_WR)
                with connection.makefile("rb") as file:
                    answer = file.read().decode()
        except TimeoutError as fault:
            raise SignerAway(f"The signer does not answer within {PATIENCE:.0f} seconds.") from fault
        except OSError as fault:
            raise SignerAway(f"The signer does not answer ({fault.strerror}).") from fault
        status, _, text = answer.partition("\n")
        if status == "ok":
            return text
        if status == "refused":
            raise SignerRefused(text.strip())
        raise SignerAway(f"The signer could not answer: {text.strip() or 'it ended'}.")
