"""What a session alone may not do. The sign-in library asks for a fresh proof too, but lets those pass who have nothing
that it could ask for: people who came by a provider and have no passkey yet."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from console.accounts.actors import stepped_up_at
from console.accounts.models import User
from console.core.clock import now
from console.core.errors import Forbidden


def freshly_proven(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if isinstance(request.user, User) and not is_fresh(request, request.user):
            if not get_adapter().get_reauthentication_methods(request.user):
                raise Forbidden("There is nothing here that you could confirm by. Ask whoever runs this console.")
            raise ReauthenticationRequired
        return view(request, *args, **kwargs)

    return guarded


def is_fresh(request: HttpRequest, user: User) -> bool:
    proven = stepped_up_at(request, user)
    return proven is not None and (now() - proven).total_seconds() < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
