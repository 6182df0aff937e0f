"""What an authorization server gave for a credential, and a person's consent on its way from there to the door."""

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from console.core.ids import new_id
from console.core.states import transitions


def authorization_id() -> str:
    return new_id("aut")


class AccessToken(models.Model):
    """The tokens of one credential. The door alone writes it, and seals them under the credential's own data key.

    Whoever refreshes moves `version` on; what was read with another one is not written.
    """

    credential = models.OneToOneField("integrations.Credential", models.PROTECT, primary_key=True, related_name="token")
    version = models.PositiveIntegerField()
    content = models.BinaryField()
    expires_at = models.DateTimeField(null=True)  # of the access token, as the server said; null when it did not
    refreshed_at = models.DateTimeField()
    problem = models.TextField(default="")  # of the last try, "" when it went well
    died_at = models.DateTimeField(null=True)  # the server takes it no more: a person has to consent again
    # Once its credential is revoked: how often the server was asked to end them (RFC 7009), and when they were dropped.
    end_tries = models.PositiveSmallIntegerField(default=0)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"{self.credential_id} v{self.version}"


class Authorization(models.Model):
    """A person's consent: asked for in their session, received by web, exchanged by the door, once.

    `attestation` is the console's signature over what was received: a code that SQL put there is not exchanged.
    """

    KIND: ClassVar = "integrations:authorization"
    TRANSITIONS: ClassVar = transitions(
        initial="started",
        started="received failed",
        received="exchanging failed",
        exchanging="connected failed",
        connected="",
        failed="",
    )

    id = models.TextField(primary_key=True, default=authorization_id)
    credential = models.ForeignKey("integrations.Credential", models.PROTECT, related_name="authorizations")
    state = models.TextField(default="started")
    person = models.TextField()
    session = models.BinaryField(max_length=32)  # digest of the key of the session that it belongs to
    asked = models.BinaryField(max_length=32, unique=True)  # digest of the `state` that the server gives back
    redirect_uri = models.TextField()
    verifier = models.BinaryField()  # of PKCE; sealed to the door
    code = models.BinaryField(default=b"")  # sealed to the door
    attestation = models.BinaryField(max_length=64, default=b"")
    started_at = models.DateTimeField(db_default=Now())
    moved_at = models.DateTimeField(db_default=Now())
    problem = models.TextField(default="")

    class Meta:
        ordering: ClassVar = ["-started_at", "-id"]
        indexes: ClassVar = [
            # The sweep asks for consents that no door has exchanged yet.
            models.Index(
                fields=["moved_at"], condition=models.Q(state__in=["received", "exchanging"]), name="authorization_open"
            ),
        ]

    def __str__(self) -> str:
        return self.id

    def place(self, part: str) -> str:
        return f"integrations_authorization/{self.id}/{self.credential_id}/{part}"

    def attested(self) -> dict[str, object]:
        return {
            "authorization": self.id,
            "credential": self.credential_id,
            "redirect_uri": self.redirect_uri,
            "verifier": hashlib.sha256(bytes(self.verifier)).hexdigest(),
            "code": hashlib.sha256(bytes(self.code)).hexdigest(),
        }

    def audit_context(self) -> Mapping[str, Any]:
        return {"team": self.credential.integration.team_id}
