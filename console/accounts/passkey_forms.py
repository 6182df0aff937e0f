"""The sign-in library's forms for passkeys. They read what a browser sent as if it were always in the right form, and
take what was signed at any port and subdomain, or inside a page of another site."""

from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn import forms

from console.accounts.enrolment import client_data
from console.accounts.passkeys import check_here

ODD = (AttributeError, KeyError, TypeError, ValueError)  # what the parsers raise for JSON of another shape


class _Answered:
    def clean_credential(self) -> Any:
        try:
            check_here(client_data(self.cleaned_data["credential"])[1])  # type: ignore[attr-defined]  # the same
            return super().clean_credential()  # type: ignore[misc]  # of the form that this is mixed into
        except ODD as fault:
            raise get_adapter().validation_error("incorrect_code") from fault


class Login(_Answered, forms.LoginWebAuthnForm):  # type: ignore[misc]  # the library brings no types
    pass


class Authenticate(_Answered, forms.AuthenticateWebAuthnForm):  # type: ignore[misc]  # the same
    pass


class Reauthenticate(_Answered, forms.ReauthenticateWebAuthnForm):  # type: ignore[misc]  # the same
    pass


class Add(forms.AddWebAuthnForm):  # type: ignore[misc]  # the same
    def clean(self) -> Any:
        try:
            return super().clean()
        except ODD as fault:
            raise get_adapter().validation_error("incorrect_code") from fault
