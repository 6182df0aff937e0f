"""Tasks of integrations. Ids in, one call; whoever comes second finds nothing to do."""

import threading

from celery import shared_task

from console.core.actor import system
from console.core.errors import Conflict
from integrations import authorize, door_key, ending, handing_in, health
from integrations.webhooks import judge, upkeep

_heard: set[str] = set()  # by this process now: a slow server must not take every lane, however often it is offered
_hearing = threading.Lock()


@shared_task
def hear_listing(listing_id: str) -> None:
    from integrations.mcp import listing  # noqa: PLC0415  (its library takes a second to load, and most never need it)

    with _hearing:
        if listing_id in _heard:
            return
        _heard.add(listing_id)
    try:
        listing.hear_listing(listing_id, actor=system("door"))
    except Conflict:
        return
    finally:
        _heard.discard(listing_id)


@shared_task
def compare_listing(listing_id: str) -> None:
    from integrations.mcp import listing  # noqa: PLC0415

    listing.compare_listing(listing_id, actor=system("worker"))


@shared_task
def read_import(import_id: str) -> None:
    handing_in.read_import(import_id)


@shared_task
def look() -> None:
    from integrations.mcp import listing  # noqa: PLC0415

    listing.look_again(actor=system("worker"))


@shared_task
def wrap_credentials() -> None:
    door_key.wrap_credentials(actor=system("door"))


@shared_task
def exchange_code(authorization_id: str) -> None:
    authorize.exchange_code(authorization_id, actor=system("door"))


@shared_task
def run_health_test(test_id: str) -> None:
    health.run_test(test_id, actor=system("door"))


@shared_task
def end_tokens(credential_id: str) -> None:
    ending.end_tokens(credential_id, actor=system("door"))


@shared_task
def judge_delivery(delivery_id: str) -> None:
    judge.judge_delivery(delivery_id, actor=system("door"))


@shared_task
def thin_deliveries() -> None:
    upkeep.thin_deliveries()
