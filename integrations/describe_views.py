"""Describing a system by YAML: an admin sees what it would change, and then has it done."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from console.core.actor import Role
from console.core.errors import Conflict, Invalid
from console.core.web import Request, role_required
from integrations.describe import describe_integration
from integrations.preview import Preview, preview


class Written(forms.Form):
    """A file wins over what stands in the text field. With `seen`, it is to be done."""

    text = forms.CharField(required=False, strip=False)
    file = forms.FileField(required=False, max_length=200)
    base_url = forms.CharField(max_length=500)
    seen = forms.CharField(max_length=64, required=False)

    def given(self) -> str:
        """Raises Invalid."""
        file = self.cleaned_data["file"]
        try:
            text = bytes(file.read()).decode() if file else str(self.cleaned_data["text"])
        except UnicodeDecodeError:
            raise Invalid("The file is not UTF-8.") from None
        if not text.strip():
            raise Invalid("Choose the file, or paste what is in it.")
        return text.replace("\r\n", "\n")


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def connect(request: Request) -> HttpResponse:
    """The first time it shows what would change; the second time, with `seen`, it is done if that is still so."""
    form = Written(request.POST or None, request.FILES or None)
    if request.method != "POST" or not form.is_valid():
        return _form(request, form, status=422 if request.method == "POST" else 200)
    base_url, seen = form.cleaned_data["base_url"], form.cleaned_data["seen"]
    text = ""
    try:
        text = form.given()
        shown = preview(text, base_url=base_url, actor=request.actor)
        if not seen:
            return _form(request, form, shown=shown, text=text)
        if shown.seen != seen:
            return _form(request, form, "It was described otherwise meanwhile. Look at what would change now.",
                         shown=shown, text=text, status=409)  # fmt: skip
        integration = describe_integration(text, base_url=base_url, actor=request.actor)
    except (Invalid, Conflict) as problem:
        return _form(request, form, problem.text, text=text, status=problem.status)
    messages.success(request, f"{integration.title} is described as you wrote it.")
    return redirect("integration", integration.slug)


def _form(
    request: Request,
    form: Written,
    problem: str = "",
    *,
    shown: Preview | None = None,
    text: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {"form": form, "problem": problem, "shown": shown, "text": text or form["text"].value() or ""}
    return render(request, "integrations/connect_yaml.html", context, status=status)
