"""People and teams. Rows that people share belong to a team; what a person may do there is said by the membership."""

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import check_password
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from console.core.actor import Role
from console.core.attest import attest, verify
from console.core.errors import Tampered


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(username=(username or "").lower())


class User(AbstractBaseUser):
    """A person. Never deleted, because records and signatures name them; `deactivate_user` ends their access."""

    id = models.TextField(primary_key=True)
    username = models.CharField(max_length=64, unique=True)
    # The printed name: what every human-readable form of a signature shows.
    name = models.TextField()
    email = models.EmailField(default="", blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())
    deactivated_at = models.DateTimeField(null=True)

    # The console's signature under the hash, so that SQL gives nobody a password.
    password_attestation = models.BinaryField(max_length=64, null=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        constraints: ClassVar = [
            # One spelling per name, so that "Ada" and "ada" are not two people and UNIQUE means what it says.
            models.CheckConstraint(
                condition=Q(username__regex=r"^[a-z0-9][a-z0-9._-]{0,63}$"), name="accounts_user_username"
            ),
            # A signature without a printed name says nothing to its reader.
            models.CheckConstraint(condition=~Q(name=""), name="accounts_user_name"),
            # The moment agrees with the flag.
            models.CheckConstraint(
                condition=Q(is_active=True, deactivated_at__isnull=True)
                | Q(is_active=False, deactivated_at__isnull=False),
                name="accounts_user_deactivated",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def set_password(self, raw_password: str | None) -> None:
        super().set_password(raw_password)
        self.password_attestation = attest("password", self.password_document())

    def check_password(self, raw_password: str | None) -> bool:
        """False also for a hash that the console did not write. A hash of an older strength is made anew."""
        try:
            verify("password", self.password_document(), self.password_attestation or b"")
        except Tampered:
            return False
        return check_password(raw_password, self.password, self._strengthen)

    def _strengthen(self, raw_password: str) -> None:
        self.set_password(raw_password)
        self.save(update_fields=["password", "password_attestation"])

    def password_document(self) -> dict[str, object]:
        return {"user": self.id, "hash": self.password}


class Team(models.Model):
    id = models.TextField(primary_key=True)
    slug = models.SlugField(max_length=64, unique=True)
    name = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            # Pages and invitations name the team by nothing else.
            models.CheckConstraint(condition=~Q(name=""), name="accounts_team_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """What a person may do in a team. `groups` are the team's own names, which policies ask reviewers from."""

    id = models.TextField(primary_key=True)
    # No index of its own: the one of UNIQUE (user, team) begins with it, and ActorMiddleware reads by it.
    user = models.ForeignKey(User, models.PROTECT, related_name="memberships", db_index=False)
    # Its index serves the member list, and who may review in this team.
    team = models.ForeignKey(Team, models.PROTECT, related_name="memberships")
    roles = ArrayField(models.TextField(), default=list)
    groups = ArrayField(models.TextField(), default=list)
    created_at = models.DateTimeField(db_default=Now())
    # The issuer whose claims gave it, which sets and removes it at each sign-in; "" for one that an admin set.
    source = models.TextField(default="")
    attestation = models.BinaryField(max_length=64)  # the console's, so that SQL gives nobody a role

    class Meta:
        constraints: ClassVar = [
            # Two memberships could contradict each other about the same roles.
            models.UniqueConstraint(fields=["user", "team"], name="accounts_membership_once"),
            # A misspelt role would silently grant nothing, or something once the code learns the word.
            models.CheckConstraint(
                condition=Q(roles__contained_by=[role.value for role in Role]), name="accounts_membership_roles"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.team_id}"

    def attested(self) -> dict[str, object]:
        """A source is named only where there is one: what was attested before there were any stays genuine."""
        return {
            "membership": self.id,
            "user": self.user_id,
            "team": self.team_id,
            "roles": sorted(self.roles),
            "groups": sorted(self.groups),
            **({"source": self.source} if self.source else {}),
        }
