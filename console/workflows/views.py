"""Workflows: the list, one version drawn as a plan, and publishing from YAML."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from console.core.actor import Role
from console.core.documents import MAX_BYTES
from console.core.errors import Invalid
from console.core.web import Request, role_required
from console.workflows.access import access_version, access_workflow, visible_workflows
from console.workflows.publish import publish_workflow
from console.workflows.queries import grants_of, listed, names_of, plan, versions_of
from integrations.queries import sentences

STARTERS = (Role.OPERATOR, Role.ADMIN)


class Publication(forms.Form):
    """A file wins over what stands in the text field."""

    source = forms.CharField(required=False, strip=False, widget=forms.Textarea)
    file = forms.FileField(required=False, max_length=200)


@require_safe
@role_required(*Role)
def list_workflows(request: Request) -> HttpResponse:
    context = {"workflows": list(listed(visible_workflows(request.actor))), "publishes": request.actor.has(Role.ADMIN)}
    return render(request, "workflows/list.html", context)


@require_safe
@role_required(*Role)
def show_workflow(request: Request, slug: str) -> HttpResponse:
    version = access_version(request.actor, slug, _number(request))
    grants = grants_of(version.workflow, request.actor)
    versions = versions_of(version.workflow)
    context = {
        "workflow": version.workflow, "version": version, "versions": versions, "names": names_of(versions),
        "newest": versions[0].number == version.number, "plan": plan(version, grants), "sentences": sentences(grants),
        "starts": request.actor.has(*STARTERS), "publishes": request.actor.has(Role.ADMIN),
    }  # fmt: skip
    return render(request, "workflows/workflow.html", context)


def _number(request: Request) -> int | None:
    """What is no number is no version; nor is one beyond what the column holds."""
    given = request.GET.get("version", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 9 else (None if not given else -1)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def publish(request: Request) -> HttpResponse:
    if request.method != "POST":
        return _form(request, source=_begun(request))
    source, problem = _given(request)
    try:
        version = publish_workflow(source, actor=request.actor) if not problem else None
    except Invalid as error:
        problem = error.text
    if problem or version is None:
        return _form(request, source=source, problem=problem)
    messages.success(request, f"{version.workflow.slug} version {version.number} is what new runs follow.")
    return redirect("workflow", version.workflow.slug)


def _form(request: Request, *, source: str, problem: str = "") -> HttpResponse:
    context = {"source": source, "problem": problem}
    return render(request, "workflows/publish.html", context, status=422 if problem else 200)


def _begun(request: Request) -> str:
    """With `?from=<slug>` the newest version of that workflow, to go on from."""
    slug = request.GET.get("from", "")
    return access_version(request.actor, access_workflow(request.actor, slug).slug).source if slug else ""


def _given(request: Request) -> tuple[str, str]:
    """The text and, when it cannot be one, what is wrong with it."""
    form = Publication(request.POST, request.FILES)
    if not form.is_valid():
        return request.POST.get("source", ""), " ".join(str(error) for found in form.errors.values() for error in found)
    file = form.cleaned_data["file"]
    if file is None:
        source = form.cleaned_data["source"].replace("\r\n", "\n")
        return source, "" if source.strip() else "Paste the workflow's YAML, or choose a file."
    if file.size > MAX_BYTES:
        return form.cleaned_data["source"], f"The file is larger than {MAX_BYTES:,} bytes. What you had typed is kept."
    try:
        return file.read().decode().replace("\r\n", "\n"), ""
    except UnicodeDecodeError:
        return form.cleaned_data["source"], "The file is not text in UTF-8. What you had typed is kept."
