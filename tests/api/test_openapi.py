"""The API's description: what is served is what is committed, and it describes nothing that decides."""

import io
import json
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.test import Client

COMMITTED = Path(settings.BASE_DIR) / "docs" / "openapi.json"


def test_served_document_is_the_committed_one() -> None:
    """After a change: `python3 manage.py openapi > docs/openapi.json`, and look at what differs."""
    served = Client(headers={"host": "localhost"}).get("/api/v1/openapi.json")
    assert served.json() == json.loads(COMMITTED.read_text())


def test_command_writes_the_committed_text() -> None:
    written = io.StringIO()
    call_command("openapi", stdout=written)
    assert written.getvalue() == COMMITTED.read_text()


AGENTS = {
    "/api/v1/actions": ["post"], "/api/v1/actions/{action_id}": ["get"],
    "/api/v1/actions/{action_id}/withdraw": ["post"], "/api/v1/operations": ["get"],
    "/api/v1/grant-proposals": ["get", "post"], "/api/v1/grant-proposals/{proposal_id}": ["get"],
    "/api/v1/observations": ["post"],
}  # fmt: skip


def test_every_route_tells_its_refusals_and_people_only_read() -> None:
    paths = json.loads(COMMITTED.read_text())["paths"]
    assert {address: sorted(routes) for address, routes in paths.items()} == AGENTS | {
        f"/api/v1/{address}": ["get"]
        for address in (
            "runs", "runs/{run_id}", "reviews", "reviews/{review_id}", "workflows", "workflows/{slug}", "records",
            "records/{record_id}", "exports", "exports/{export_id}", "exports/{export_id}/download",
            "log/checkpoint", "log/consistency", "log/tile/{tile}",
        )
    }  # fmt: skip
    told = {code for address, routes in paths.items() if address not in AGENTS for code in routes["get"]["responses"]}
    assert told == {"200", "401", "403", "404", "405", "422"}
    every = [route for routes in paths.values() for route in routes.values()]
    assert all(route["security"] and "401" in route["responses"] for route in every)
