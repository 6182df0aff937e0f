"""An authorization server that other people wrote (oidc-provider-mock, on Authlib), made as strict as the strictest:
PKCE is checked, a refresh token is good once and using it again ends the consent, clients may ask for themselves.

`GET /who` tells whose token it is shown, and `GET /asked` the grants that its token address was asked for, with the
status of each answer, in order.
"""

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from console.home.processes import ROOT


@dataclass
class AuthorizationServer:
    address: str

    @property
    def authorize_url(self) -> str:
        return f"{self.address}/oauth2/authorize"

    @property
    def token_url(self) -> str:
        return f"{self.address}/oauth2/token"

    @property
    def revoke_url(self) -> str:
        return f"{self.address}/oauth2/revoke"

    def fail(self, status: int) -> None:
        """The next revocation."""
        httpx.post(f"{self.address}/fail/{status}").raise_for_status()

    def register(self, redirect_uri: str, method: str = "client_secret_basic") -> tuple[str, str]:
        """Client ID and secret."""
        given = {"redirect_uris": [redirect_uri], "token_endpoint_auth_method": method}
        made = httpx.post(f"{self.address}/oauth2/clients", json=given).raise_for_status().json()
        return made["client_id"], made["client_secret"]

    def describe(self, sub: str, **claims: object) -> None:
        """What ID tokens of this person say from now on."""
        httpx.put(f"{self.address}/users/{sub}", json=claims).raise_for_status()

    def consent(self, address: str, *, action: str = "allow", sub: str = "ada") -> dict[str, str]:
        """As somebody at the page that the link leads to: what the address says to which they are sent back."""
        answer = httpx.post(address, data={"sub": sub, "action": action}, follow_redirects=False)
        assert answer.is_redirect, answer.text
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}

    def asked(self) -> list[list[Any]]:
        found: list[list[Any]] = httpx.get(f"{self.address}/asked").raise_for_status().json()
        return found

    def forget(self) -> None:
        httpx.delete(f"{self.address}/asked").raise_for_status()

    def end_consents(self) -> None:
        httpx.post(f"{self.address}/users/ada/revoke-tokens").raise_for_status()


@contextlib.contextmanager
def authorization_server(*, seconds: int = 3600) -> Iterator[AuthorizationServer]:
    """Without assertions: its own know of fewer grants."""
    command = [sys.executable, "-O", "-u", "-m", "tests.standins.authorization_program", str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "AUTHLIB_INSECURE_TRANSPORT": "1"}) as process:  # fmt: skip
        assert process.stderr is not None
        try:
            match = None
            while match is None:
                line = process.stderr.readline()
                assert line, "the authorization server ended before it listened"
                match = re.search(r"Listening on (http://[\d.:]+)", line)
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield AuthorizationServer(match[1])
        finally:
            process.terminate()
