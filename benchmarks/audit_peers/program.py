"""Writers whose rows are watched by django-pghistory and django-auditlog: `python program.py SOCKET WRITERS ROWS`.

Run by the Python of an environment of their own, with the address of an empty database in PEERS_DATABASE_URL.
"""
# mypy: ignore-errors

import os
import sys
from urllib.parse import parse_qs, unquote, urlsplit

import django
from django.conf import settings

from benchmarks.crowd import pause, serve

OTHER = {"running": "waiting", "waiting": "running"}


def configure():
    address = urlsplit(os.environ["PEERS_DATABASE_URL"])
    place = parse_qs(address.query)["host"][0]
    # Django's own way to connect: pghistory puts its context before the statement, and such two cannot be prepared.
    settings.configure(
        SECRET_KEY="signs nothing",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "auditlog", "pgtrigger", "pghistory",
                        "benchmarks.audit_peers"],
        DATABASES={"default": {
            "ENGINE": "django.db.backends.postgresql", "NAME": unquote(address.path.lstrip("/")), "HOST": place,
            "USER": unquote(address.username), "PASSWORD": unquote(address.password), "CONN_MAX_AGE": None,
        }},
    )  # fmt: skip
    django.setup()


def make_tables(writers, rows):
    """Leaves no connection open, for the writers are forks of this process. Answers the user whom auditlog names."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection

    from benchmarks.audit_peers.models import Logged, Tracked

    call_command("migrate", verbosity=0, run_syncdb=True)
    call_command("pgtrigger", "install", verbosity=0)
    for model in (Logged, Tracked):
        model.objects.bulk_create(
            model(id=f"step_{writer}_{number}", team="team", run=f"run_{writer}", name="look")
            for writer in range(writers)
            for number in range(rows)
        )
    user = User.objects.create(username="benchmark")
    connection.close()
    return user


def acts(user):
    import pghistory
    from auditlog.context import set_actor
    from auditlog.registry import auditlog
    from django.db import transaction

    from benchmarks.audit_peers.models import Logged, Tracked

    auditlog.register(Logged)

    def save(row, work):
        with transaction.atomic():
            row.state = OTHER[row.state]
            row.save(update_fields=["state"])
            pause(work)

    def logged(row, work):
        with set_actor(user):
            save(row, work)

    def tracked(row, work):
        with pghistory.context(user=user.pk):
            save(row, work)

    def over(model, act):
        return lambda writer: turning(list(model.objects.filter(run=f"run_{writer}")), act)

    return {"auditlog": over(Logged, logged), "pghistory": over(Tracked, tracked)}


def turning(rows, act):
    at = 0

    def do(work):
        nonlocal at
        at = (at + 1) % len(rows)
        act(rows[at], work)

    return do


def main(place, writers, rows):
    configure()
    user = make_tables(writers, rows)
    serve(place, writers, acts(user))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
