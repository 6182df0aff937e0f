"""`kind: rfc3161`: a time-stamp authority signs the moment at which it saw the checkpoint. With the openssl program."""

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Self

from audit.anchors.base import AnchorFailed, Deadline, Options, Receipt, ask, read_checkpoint, read_secret, telling_why
from audit.anchors.program import output, run


@dataclass(frozen=True)
class TimestampAnchor:
    url: str
    tsa_ca_file: str
    seconds: float
    tsa_chain_file: str = ""
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    kind: ClassVar[str] = "rfc3161"

    @classmethod
    def read(cls, options: Options) -> Self:
        anchor = cls(
            options.url("url"), str(options.path("tsa_ca_file")), options.seconds(), options.file("tsa_chain_file"),
            *options.sign_in(), options.file("ca_file"),
        )  # fmt: skip
        if anchor.username and not anchor.url.startswith("https:"):
            raise options.wrong("url", "is not https: the password could be read on the way")
        return anchor

    def anchor(self, note: str, *, origin: str, size: int) -> Receipt:
        """The receipt is the authority's answer (DER), over exactly the bytes of the note."""
        read_checkpoint(note, origin, size)
        deadline = Deadline(self.seconds)
        with telling_why("openssl"), TemporaryDirectory() as directory:
            files = {name: Path(directory) / name for name in ("note", "query", "answer")}
            files["note"].write_bytes(note.encode())
            query = ["openssl", "ts", "-query", "-data", str(files["note"]), "-sha256", "-cert"]  # with a nonce
            files["query"].write_bytes(output(query, deadline))
            answer = self._ask(files["query"].read_bytes(), deadline)
            files["answer"].write_bytes(answer)
            self._verify(files, deadline)
        return Receipt(answer, self.url)

    def _ask(self, query: bytes, deadline: Deadline) -> bytes:
        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        if self.username:
            secret = f"{self.username}:{read_secret('password_file', self.password_file)}"
            headers["Authorization"] = f"Basic {b64encode(secret.encode()).decode()}"
        answer = ask("The time-stamp authority", "POST", self.url, query, headers, deadline, self.ca_file)
        if answer.status != 200:
            raise AnchorFailed(f"The time-stamp authority answered {answer.status}.")
        return answer.body

    def _verify(self, files: dict[str, Path], deadline: Deadline) -> None:
        """That it is the answer to our query, nonce and all, signed under the certificate that the auditor gave."""
        command = ["openssl", "ts", "-verify", "-queryfile", str(files["query"]), "-in", str(files["answer"]),
                   "-CAfile", self.tsa_ca_file]  # fmt: skip
        if self.tsa_chain_file:
            command += ["-untrusted", self.tsa_chain_file]
        code, _, complaint = run(command, deadline)
        if code:
            raise AnchorFailed(f"The time stamp does not hold: {complaint}")
