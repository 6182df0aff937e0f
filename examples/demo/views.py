"""Looking through another persona's eyes. Exists only where this app is installed, which only `up --demo` does."""

from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from console.accounts.models import User
from examples.demo.people import PERSONAS


@require_POST
def become(request: HttpRequest) -> HttpResponse:
    """Signs in without a password: the demo listens on this machine alone, and its people own nothing."""
    username = request.POST.get("username", "")
    if username not in {persona.username for persona in PERSONAS}:
        raise Http404
    user = User.objects.get(username=username)
    login(request, user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return redirect("home")
