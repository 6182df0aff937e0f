"""`manage.py openapi > docs/openapi.json`: the API's description as the site serves it, in a form that diffs well."""

import json
from typing import Any

from django.core.management.base import BaseCommand
from django.test import RequestFactory
from django.urls import resolve

ADDRESS = "/api/v1/openapi.json"


class Command(BaseCommand):
    help = "Print the OpenAPI document of /api/v1."

    def handle(self, *_: Any, **__: Any) -> None:
        served = resolve(ADDRESS).func(RequestFactory().get(ADDRESS))
        self.stdout.write(json.dumps(json.loads(served.content), indent=2, ensure_ascii=False))
