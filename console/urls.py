"""Where each room is. A room joins by a line here."""

import importlib
from importlib.util import find_spec

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

ROOMS = (
    ("", "console.home.urls"),
    ("", "console.accounts.urls"),
    ("", "console.notices.urls"),
    ("", "console.traces.urls"),
    ("reviews/", "approvals.urls"),
    ("halts/", "approvals.halt_urls"),
    ("policies/", "approvals.policy_urls"),
    ("mandates/", "approvals.mandate_urls"),
    ("account/delegations/", "approvals.delegation_urls"),
    ("runs/", "console.runs.urls"),
    ("workflows/", "console.workflows.urls"),
    ("agents/", "console.agents.urls"),
    ("agents/", "console.shadow.urls"),
    ("integrations/", "integrations.urls"),
    ("integrations/", "approvals.opening_urls"),
    ("audit/", "audit.urls"),
    *(("", f"{app}.urls") for app in settings.EXTRA_APPS),
)

urlpatterns: list[URLPattern | URLResolver] = [
    path(prefix, include(module)) for prefix, module in ROOMS if find_spec(module)
]
if find_spec("console.api"):
    urlpatterns.append(path("api/v1/", importlib.import_module("console.api").api.urls))

handler403 = "console.home.views.forbidden"
handler404 = "console.home.views.not_found"
handler500 = "console.home.views.fault"
