from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.urls import reverse

from console.accounts.setup import offer_setup


class Command(BaseCommand):
    help = "Print a one-time link for the first administrator. Prints nothing once anybody has an account."

    def handle(self, *args: Any, **options: Any) -> None:
        if token := offer_setup():
            self.stdout.write(f"set up the first administrator: {settings.ORIGIN}{reverse('setup', args=[token])}")
