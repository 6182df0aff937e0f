"""Who wants to be told when and where, what there is to tell, and what became of it."""

import hashlib
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from console.core.ids import new_id
from console.core.sealed import SealedRow
from console.notices.decide import CAP, DAY_BEGINS, DAY_ENDS, WEEKDAYS, WINDOW, Hours

WEBHOOK, CHAT = "webhook", "chat"


def address_id() -> str:
    return new_id("adr")


def rota_id() -> str:
    return new_id("rta")


def channel_id() -> str:
    return new_id("chn")


def event_id() -> str:
    return new_id("evt")


def message_id() -> str:
    return new_id("msg")


def weekdays() -> list[int]:
    return sorted(WEEKDAYS)


class Preference(models.Model):
    """What a person wants. Who never said has the defaults. Hours are minutes of their day; days count from Monday."""

    user = models.OneToOneField("accounts.User", models.PROTECT, primary_key=True, related_name="+")
    zone = models.TextField(default="UTC")  # of the IANA database
    days = ArrayField(models.SmallIntegerField(), default=weekdays)
    begins = models.SmallIntegerField(default=DAY_BEGINS)
    ends = models.SmallIntegerField(default=DAY_ENDS)
    quiet_from = models.SmallIntegerField(default=0)
    quiet_until = models.SmallIntegerField(default=0)  # no quiet hours where both are the same
    window = models.SmallIntegerField(default=WINDOW)  # minutes that a digest waits for more
    cap = models.SmallIntegerField(default=CAP)  # messages in an hour
    by_mail = models.BooleanField(default=True)
    reminders = models.BooleanField(default=True)
    of_ends = models.BooleanField(default=False)  # of what they asked for themselves

    class Meta:
        constraints: ClassVar = [
            # A minute that no day has would never come.
            models.CheckConstraint(
                condition=Q(begins__range=(0, 1439), ends__range=(0, 1439), quiet_from__range=(0, 1439),
                            quiet_until__range=(0, 1439)),
                name="notices_preference_minutes",
            ),
            # None at all is said by `by_mail`.
            models.CheckConstraint(
                condition=Q(window__range=(0, 60), cap__range=(1, 60)), name="notices_preference_pace"
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.user_id

    @property
    def hours(self) -> Hours:
        return Hours(self.zone, frozenset(self.days), self.begins, self.ends, self.quiet_from, self.quiet_until)


class Address(models.Model):
    """Where a person gets mail. Nothing but the question whether it is theirs goes to one that is not confirmed. The
    row goes with the address: another address is another row."""

    id = models.TextField(primary_key=True, default=address_id)
    user = models.OneToOneField("accounts.User", models.PROTECT, related_name="+")
    email = models.EmailField()
    created_at = models.DateTimeField(db_default=Now())
    confirmed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.id


class RotaEntry(models.Model):
    """Who of a group is on call, from when until when."""

    id = models.TextField(primary_key=True, default=rota_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    group = models.TextField()
    user = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["group", "begins_at", "id"]
        constraints: ClassVar = [
            # Who is on call for no time at all is not.
            models.CheckConstraint(condition=Q(ends_at__gt=F("begins_at")), name="notices_rota_lasts"),
        ]
        indexes: ClassVar = [
            # Who of a group is on call now, asked for each digest; and the page of the rota.
            models.Index(fields=["team", "group", "ends_at"], name="notices_rota_now"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} for {self.group}"


class Channel(SealedRow):
    """Where a team is told. Its address may be a secret, and what signs for it is one: both are sealed to the door. The
    attestation keeps SQL from having anybody else told."""

    id = models.TextField(primary_key=True, default=channel_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    kind = models.TextField()
    name = models.TextField()
    host = models.TextField()  # of the address, for people
    groups = ArrayField(models.TextField(), default=list)  # whose reviews it is told of; none are all
    public_key = models.BinaryField(max_length=32, default=b"")  # of what signs for it, Ed25519
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    attestation = models.BinaryField(max_length=64)

    class Meta:
        ordering: ClassVar = ["created_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(kind__in=[WEBHOOK, CHAT]), name="notices_channel_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> str:
        return f"notices_channel/{self.id}/{self.team_id}/sealed"

    def attested(self) -> dict[str, object]:
        return {
            "channel": self.id,
            "team": self.team_id,
            "kind": self.kind,
            "groups": self.groups,
            "public_key": bytes(self.public_key).hex(),
            "sealed": hashlib.sha256(bytes(self.sealed)).hexdigest(),
        }


class Event(models.Model):
    """Something of a review that people may want to know, as the room of reviews told it: what everybody may read who
    is told, and nothing else of it."""

    id = models.TextField(primary_key=True, default=event_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    review = models.TextField()
    kind = models.TextField()  # of the review
    integration = models.TextField()  # titles, as they are described
    operation = models.TextField()
    categories = ArrayField(models.TextField())
    groups = ArrayField(models.TextField())  # who is asked from now on
    makers = ArrayField(models.TextField())
    people = ArrayField(models.TextField(), default=list)  # of these groups only they, whom somebody asks to look
    at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    planned_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            # What nobody has looked at yet.
            models.Index(fields=["at"], condition=Q(planned_at=None), name="notices_event_new"),
            # What is forgotten after a while.
            models.Index(fields=["at"], condition=~Q(planned_at=None), name="notices_event_old"),
        ]

    def __str__(self) -> str:
        return self.id


class Message(models.Model):
    """One letter or one call, about one or several reviews. Its id stays the same however often it is tried."""

    id = models.TextField(primary_key=True, default=message_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+", null=True)
    user = models.ForeignKey("accounts.User", models.PROTECT, related_name="+", null=True)
    channel = models.ForeignKey(Channel, models.PROTECT, related_name="messages", null=True)
    kind = models.TextField(default="reviews")
    content = models.BinaryField(default=b"")  # of a confirmation: what its link holds, sealed to the door
    created_at = models.DateTimeField(db_default=Now())
    tries = models.IntegerField(default=0)  # a fence: who gave up on an earlier try changes nothing of a later one
    next_at = models.DateTimeField(null=True)  # when it is due, or when the lease of whoever sends it ends
    sent_at = models.DateTimeField(null=True)
    why_not = models.TextField(default="")  # it was not sent in the end

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(kind__in=["reviews", "test", "confirm"]), name="notices_message_kind_known"
            ),
            # It goes to one place.
            models.CheckConstraint(
                condition=Q(user=None, channel__isnull=False) | Q(channel=None, user__isnull=False),
                name="notices_message_to_one",
            ),
            # What is over is not due.
            models.CheckConstraint(
                condition=Q(next_at=None) | Q(sent_at=None, why_not=""), name="notices_message_over_or_due"
            ),
        ]  # fmt: skip
        indexes: ClassVar = [
            # What is due, and what a deliverer that died left behind.
            models.Index(fields=["next_at"], condition=~Q(next_at=None), name="notices_message_due"),
            # A person's page, and how many they had in the last hour. (A channel's own index serves its.)
            models.Index(fields=["user", "-created_at"], name="notices_message_of_user"),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def content_place(self) -> str:
        return f"notices_message/{self.id}/content"


class Notice(models.Model):
    """That one person, or one channel, is to be told of one review, once for each occasion."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="notices")
    review = models.TextField()
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    user = models.ForeignKey("accounts.User", models.PROTECT, related_name="+", null=True)
    channel = models.ForeignKey(Channel, models.PROTECT, related_name="+", null=True)
    occasion = models.TextField()
    moment = models.DateTimeField()  # not before
    next_at = models.DateTimeField(null=True)  # when it is looked at again; null when it is in a message
    message = models.ForeignKey(Message, models.SET_NULL, related_name="notices", null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(occasion__in=["opened", "reminder", "asked", "ended"]), name="notices_notice_occasion_known"
            ),
            # Whoever was asked is not told again because somebody else is asked too.
            models.UniqueConstraint(
                fields=["review", "user", "channel", "occasion"], nulls_distinct=False, name="notices_notice_once"
            ),
            # It goes to one place.
            models.CheckConstraint(
                condition=Q(user=None, channel__isnull=False) | Q(channel=None, user__isnull=False),
                name="notices_notice_to_one",
            ),
        ]
        indexes: ClassVar = [
            # What may be due.
            models.Index(fields=["next_at"], condition=~Q(next_at=None), name="notices_notice_due"),
        ]

    def __str__(self) -> str:
        return f"{self.occasion} of {self.review}"

    @property
    def place(self) -> dict[str, Any]:
        """Whom it is for."""
        return {"team": self.team_id, "user": self.user_id, "channel": self.channel_id}
