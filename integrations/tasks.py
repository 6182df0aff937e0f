"""Tasks of integrations. Ids in, one call; whoever comes second finds nothing to do."""

from celery import shared_task

from console.core.actor import system
from console.core.errors import Conflict
from integrations import handing_in
from integrations.mcp import listing


@shared_task
def hear_listing(listing_id: str) -> None:
    try:
        listing.hear_listing(listing_id, actor=system("door"))
    except Conflict:
        return


@shared_task
def compare_listing(listing_id: str) -> None:
    listing.compare_listing(listing_id, actor=system("worker"))


@shared_task
def read_import(import_id: str) -> None:
    handing_in.read_import(import_id)


@shared_task
def look() -> None:
    listing.look_again(actor=system("worker"))
