"""Tasks of the queue `actions`: what the door alone can do with credentials."""

from celery import shared_task

from console.core.actor import system
from integrations import authorize, door_key


@shared_task
def wrap_credentials() -> None:
    door_key.wrap_credentials(actor=system("door"))


@shared_task
def exchange_code(authorization_id: str) -> None:
    authorize.exchange_code(authorization_id, actor=system("door"))
