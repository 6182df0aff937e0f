"""What the tools of a server are: asked for by an admin or by the clock, heard by the door, compared by a worker.

Three processes, because the door alone opens credentials and speaks outward, and cannot sign for the console; whoever
can sign cannot do either.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx2
from django.db import transaction
from django.db.models import OuterRef, Subquery

from audit.move import begin, move
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.attest import attest, verify
from console.core.clock import now
from console.core.door_keys import KeyMissing
from console.core.errors import Conflict, Invalid, Tampered
from console.core.sealing import unseal
from console.core.wake import wake
from integrations.credential_types import check_settings, pack
from integrations.describe import check_base_url
from integrations.description import Description
from integrations.importing import Outcome, check_named, rows_of, sources_of, store_imported
from integrations.mcp.programs import programs
from integrations.mcp.session import Listed, list_tools
from integrations.mcp.tools import describe_tools, list_pin
from integrations.models import Credential, Integration, Listing
from integrations.outbound import NotSent
from integrations.render import STDIO, render
from integrations.sweep import COMPARE, DOOR, HEAR, WORKER
from integrations.tokens import token_for

DAILY = dt.timedelta(days=1)
NOBODY = Description("tools", {"tool": {"name": "", "pin": ""}})  # only to say where the server is


@transaction.atomic
def connect_server(
    *, slug: str, title: str, address: str, credential_type: str,
    credential_settings: Mapping[str, str] | None = None, actor: Actor,
) -> Integration:  # fmt: skip
    """A system whose operations are the tools of an MCP server; it has none until its tools were listed and added.
    `address` is `https://…`, or `stdio://name` of a program that the installation names. Raises Invalid, and Conflict
    where the name is taken."""
    actor.require(Role.ADMIN)
    check_named(slug, title)
    _check_address(address, credential_type)
    settings = check_settings(credential_type, credential_settings or {})
    if Integration.objects.filter(team_id=actor.team, slug=slug).exists():
        raise Conflict(f"There is an integration {slug} already.")
    integration = Integration.objects.create(
        team_id=actor.team, slug=slug, title=title.strip(), base_url=address, protocol="mcp",
        credential_type=credential_type, credential_settings=settings,
    )  # fmt: skip
    detail = {"slug": slug, "base_url": address, "credential": integration.credential, "operations": {}}
    record(Kind.INTEGRATION_DESCRIBED, subject=integration.id, actor=actor, detail=detail)
    return integration


def _check_address(address: str, credential_type: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != STDIO:
        check_base_url(address)
        if httpx2.URL(address).raw_path.decode() != (parts.path or "/"):
            raise Invalid("The address has to be written as it is sent: percent-encode what is not ASCII.")
        return
    program = programs().get(parts.netloc)
    if program is None or address != f"{STDIO}://{parts.netloc}":
        raise Invalid(f"The installation names no MCP server {parts.netloc!r:.80}.")
    wanted = "bearer" if program.secret else "none"
    if credential_type != wanted:
        raise Invalid(f"{parts.netloc} takes {'a token' if program.secret else 'no credential'}.")


@transaction.atomic
def ask_listing(integration: Integration, credential: Credential | None, *, actor: Actor) -> Listing:
    """Have the door look at the tools. Raises Conflict while it is looking already, Invalid without a credential where
    one is needed."""
    actor.require(Role.ADMIN)
    return _ask(integration, credential, actor)


def _ask(integration: Integration, credential: Credential | None, actor: Actor) -> Listing:
    locked = Integration.objects.select_for_update().get(pk=integration.pk)
    if locked.protocol != "mcp":
        raise Invalid(f"{locked.slug} is no MCP server.")
    if credential is None and locked.credential_type != "none":
        raise Invalid("Seal a credential first: the server is asked with it.")
    if credential and (credential.revoked_at or credential.integration_id != locked.pk):
        raise Conflict("This credential has been revoked.")
    if locked.listings.filter(state="asked").exists():
        raise Conflict("The server is being asked already.")
    listing = Listing(integration=locked, credential=credential, state="asked", asked_at=now())
    listing.attestation = attest("listing", listing.attested())
    begin(listing, actor=actor, detail=_told(listing))
    wake(HEAR, DOOR, listing.pk)
    return listing


def hear_listing(listing_id: str, *, actor: Actor) -> Listing | None:
    """The door's part; nothing where somebody else has done it. A row alone opens no credential. Raises Tampered."""
    listing = Listing.objects.select_related("integration", "credential").get(pk=listing_id)
    if listing.state != "asked":
        return None
    verify("listing", listing.attested(), listing.attestation)
    try:
        heard = _hear(listing)
    except (NotSent, Invalid) as error:
        with transaction.atomic():
            move(listing, "failed", actor=actor, detail=_told(listing), heard_at=now(), error=str(error)[:500])
        return listing
    with transaction.atomic():
        pinned = list_pin(heard.tools)
        move(listing, "listed", actor=actor, detail={**_told(listing), "tools": len(heard.tools), "pin": pinned},
             heard_at=now(), tools=heard.tools, pin=pinned, server=heard.server)  # fmt: skip
        wake(COMPARE, WORKER, listing.pk)
    return listing


def _hear(listing: Listing) -> Listed:
    """No transaction is open here."""
    integration, credential = listing.integration, listing.credential
    if credential:
        verify("credential", credential.attested(), credential.attestation)
        if credential.integration_id != integration.pk:
            raise Tampered("The credential belongs to another integration.")
        if credential.revoked_at:
            raise Invalid("The credential has been revoked.")
        secret = _open(credential)
        token = token_for(credential, integration, secret)
    else:
        secret, token = pack(integration.credential_type, integration.credential_settings, {}), None
    return list_tools(
        render(NOBODY, {}, base_url=integration.base_url, key=""), secret=secret,
        credential_type=integration.credential_type, settings=integration.credential_settings,
        token=token.text if token else "",
    )  # fmt: skip


def _open(credential: Credential) -> str:
    try:
        return unseal(credential.seal)
    except KeyMissing as error:
        raise NotSent(str(error)) from None


@transaction.atomic
def keep_drift(integration: Integration, tools: Sequence[Mapping[str, Any]], *, actor: Actor) -> None:
    """The door has just found that a tool is not what it was, and has not called it."""
    listing = Listing(integration=integration, state="listed", tools=list(tools), pin=list_pin(tools), heard_at=now())
    begin(listing, actor=actor, detail={**_told(listing), "tools": len(tools), "pin": listing.pin})
    wake(COMPARE, WORKER, listing.pk)


@transaction.atomic
def compare_listing(listing_id: str, *, actor: Actor) -> Listing | None:
    """Every tool that is described otherwise than its operation is quarantined. What is new waits for an admin."""
    listing = Listing.objects.select_related("integration").get(pk=listing_id)
    integration = Integration.objects.select_for_update().get(pk=listing.integration_id)
    listing.refresh_from_db(fields=["state"])
    if listing.state != "listed":
        return None
    rows = rows_of(integration)
    outcome = store_imported(integration, rows, describe_tools(listing.tools, sources_of(rows)), {}, None, actor)
    detail = {**_told(listing), "changed": outcome.changed[:50], "gone": outcome.gone[:50]}
    move(listing, "compared", actor=actor, detail=detail)
    return listing


@transaction.atomic
def add_tools(integration: Integration, seen: str, *, actor: Actor) -> Outcome:
    """What the newest list has more becomes operations. `seen` is the id of the list that the admin had before them.
    Raises Conflict when there is a newer one, Invalid when not one tool can be called."""
    actor.require(Role.ADMIN)
    locked = Integration.objects.select_for_update().get(pk=integration.pk)
    listing = newest(locked)
    if listing is None or listing.pk != seen:
        raise Conflict("The server was asked again meanwhile. Look at the list as it is now.")
    rows = rows_of(locked)
    imported = describe_tools(listing.tools, sources_of(rows))
    if not imported.operations:
        raise Invalid("Not one tool of this server can be called.")
    return store_imported(locked, rows, imported, {}, {"document": listing.pin, "overlay": ""}, actor)


def newest(integration: Integration) -> Listing | None:
    """The last list that was compared."""
    return integration.listings.filter(state="compared").first()


def look_again(*, actor: Actor) -> int:
    """Ask every server whose tools were last asked for a day ago; with the credential of that time, or with one that
    there still is."""
    last = Listing.objects.filter(integration=OuterRef("pk")).order_by("-asked_at")
    due = Integration.objects.filter(protocol="mcp").annotate(
        asked=Subquery(last.values("asked_at")[:1]), by=Subquery(last.values("credential")[:1])
    )
    asked = 0
    for integration in due.filter(asked__lt=now() - DAILY):
        usable = integration.credentials.filter(revoked_at=None).order_by("created_at")
        credential = usable.filter(pk=integration.by).first() or usable.first()
        with transaction.atomic():
            try:
                _ask(integration, credential, actor)
            except (Conflict, Invalid):
                continue
        asked += 1
    return asked


def _told(listing: Listing) -> dict[str, object]:
    integration = listing.integration
    return {"integration": integration.id, "name": integration.slug, "base_url": integration.base_url,
            "credential": listing.credential_id}  # fmt: skip
