"""The sign-in library's pages one by one: included as a whole it would open sign-up, e-mail and password reset too.

Each is one transaction, so that a passkey, its record and the library's own row come or stay away together.
"""

from collections.abc import Callable

from allauth.account import views as entrance
from allauth.mfa.base import views as second_step
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.webauthn import views as webauthn
from django.db import transaction
from django.http import HttpResponseBase
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_safe

from console.accounts import provider_views, views
from console.accounts.proofs import freshly_proven

answered = require_http_methods(["GET", "HEAD", "POST"])  # the library would take PUT for POST


def whole(route: str, view: Callable[..., HttpResponseBase], name: str) -> URLPattern:
    return path(route, answered(transaction.atomic(view)), name=name)


urlpatterns = [
    whole("sign-in/", views.SignIn.as_view(), "account_login"),
    # Not whole: what was consumed once stays so, whatever comes of it.
    path("sign-in/with/<slug:slug>/", provider_views.sign_in, name="openid_connect_login"),
    path("sign-in/with/<slug:slug>/back/", provider_views.back, name="openid_connect_callback"),
    path("confirm/with/<slug:slug>/", provider_views.confirm, name="account_confirm_with"),
    whole("sign-in/passkey/", webauthn.login_webauthn, "mfa_login_webauthn"),
    whole("sign-in/second-step/", second_step.authenticate, "mfa_authenticate"),
    whole("sign-in/closed/", entrance.account_inactive, "account_inactive"),
    whole("sign-out/", entrance.logout, "account_logout"),
    whole("confirm/", entrance.reauthenticate, "account_reauthenticate"),
    whole("confirm/code/", second_step.reauthenticate, "mfa_reauthenticate"),
    whole("confirm/passkey/", webauthn.reauthenticate_webauthn, "mfa_reauthenticate_webauthn"),
    whole("setup/<str:token>/", views.setup, "setup"),
    whole("account/", views.account, "account"),
    whole("account/team/", views.choose_team, "account_team"),
    whole("account/passkeys/add/", freshly_proven(views.AddPasskey.as_view()), "mfa_add_webauthn"),
    whole(
        "account/passkeys/<str:passkey_id>/removal/",
        freshly_proven(views.remove_passkey),
        "account_remove_passkey",
    ),
    whole(
        "account/recovery-codes/",
        require_safe(freshly_proven(recovery_codes.view_recovery_codes)),
        "mfa_view_recovery_codes",
    ),
    whole(
        "account/recovery-codes/new/",
        freshly_proven(recovery_codes.generate_recovery_codes),
        "mfa_generate_recovery_codes",
    ),
    # The library redirects to these by name.
    path("account/keys/", views.to_account, name="mfa_index"),
    path("account/keys/list/", views.to_account, name="mfa_list_webauthn"),
]
