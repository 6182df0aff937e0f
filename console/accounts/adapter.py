"""How the sign-in library behaves here. What it leaves open (see `urls`, `enrolment`) is closed by us."""

from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.userkit import get_user_by_username
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from console.accounts.models import User
from console.accounts.providers import IdentityProvider, providers
from console.accounts.receivers import refuse_session
from console.accounts.seal import seal, unseal


def providers_of(user: User) -> list[IdentityProvider]:
    known = providers()
    linked = set(user.identities.values_list("issuer", flat=True)) if known else set()
    return [one for one in known if one.issuer in linked]


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # the library brings no types
    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "The username or the password is not right.",
        "too_many_login_attempts": "There were too many attempts. Wait five minutes, then try again.",
        "incorrect_password": "The password is not right.",
        "incorrect_code": "That did not work. Try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """People are added by an admin, never by themselves."""
        return False

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """Who has neither password nor passkey here yet proves themself at the provider by which they came."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        return methods or [
            {"id": one.slug, "description": one.name, "url": reverse("account_confirm_with", args=[one.slug])}
            for one in providers_of(user)
        ]

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        user = get_user_by_username(str(credentials.get("username", "")))
        refuse_session(request, user, method="password")


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # the library brings no types
    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Fixed by a setting: the library would take whatever the Host header says."""
        return {"id": settings.RP_ID, "name": "Countersign"}

    def get_public_key_credential_user_entity(self, user: User) -> dict[str, object]:
        return {"id": user.id.encode(), "display_name": user.name, "name": user.username}

    def generate_authenticator_name(self, user: User, type: str) -> str:
        number = user.passkeys.count() + 1
        return "Passkey" if number == 1 else f"Passkey {number}"

    def encrypt(self, text: str) -> str:
        return seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(encrypted_text)
