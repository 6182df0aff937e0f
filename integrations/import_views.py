"""Connecting a system by its OpenAPI document: an admin says where it is served, and sees what could not be read."""

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from audit.read import record_read, require_role
from console.core.actor import Role
from console.core.errors import Conflict, Invalid
from console.core.web import Request, is_piece, role_required, signed_in
from integrations.access import READERS, access_import
from integrations.credential_forms import settings_given, ways
from integrations.credential_types import TYPES
from integrations.handing_in import hand_in


class Connection(forms.Form):
    """A file wins over what stands in the text field."""

    document = forms.CharField(required=False, strip=False)
    file = forms.FileField(required=False, max_length=200)
    overlay = forms.FileField(required=False, max_length=200)
    title = forms.CharField(max_length=200)
    slug = forms.CharField(max_length=64)
    base_url = forms.CharField(max_length=500)
    credential_type = forms.ChoiceField(choices=[(name, kind.title) for name, kind in TYPES.items()])

    def data_given(self) -> bytes:
        file, text = self.cleaned_data["file"], str(self.cleaned_data["document"])
        return bytes(file.read()) if file else text.encode()

    def overlay_given(self) -> str:
        """Raises Invalid."""
        file = self.cleaned_data["overlay"]
        try:
            return bytes(file.read()).decode() if file else ""
        except UnicodeDecodeError:
            raise Invalid("The overlay is not UTF-8.") from None


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def connect_openapi(request: Request) -> HttpResponse:
    form = Connection(request.POST or None, request.FILES or None)
    if request.method != "POST" or not form.is_valid():
        return _form(request, form, status=422 if request.method == "POST" else 200)
    given = form.cleaned_data
    if not (data := form.data_given()).strip():
        return _form(request, form, "Choose the document, or paste it.", status=422)
    bound = {name: given[name] for name in ("slug", "title", "base_url", "credential_type")}
    settings = settings_given(request.POST.dict(), given["credential_type"])
    try:
        overlay = form.overlay_given()
        handed_in = hand_in(data, **bound, credential_settings=settings, overlay=overlay, actor=request.actor)
    except (Invalid, Conflict) as problem:
        return _form(request, form, problem.text, status=problem.status)
    return redirect("import", handed_in.pk)


@require_safe
@signed_in
def show_import(request: Request, import_id: str) -> HttpResponse:
    """It fetches itself anew while the document is being read."""
    require_role(request.actor, *READERS, page="import")
    found = access_import(request.actor, import_id)
    context = {"import": found, "report": found.report, "unfinished": found.state in ("waiting", "reading")}
    if is_piece(request):
        return render(request, "integrations/_import.html", context)
    record_read(actor=request.actor, page="import", subject=found.pk)
    return render(request, "integrations/import.html", context)


def _form(request: Request, form: Connection, problem: str = "", *, status: int) -> HttpResponse:
    chosen = form["credential_type"].value() or next(iter(TYPES))
    context = {"form": form, "problem": problem, "ways": ways(request.POST.dict(), chosen)}
    return render(request, "integrations/connect.html", context, status=status)
