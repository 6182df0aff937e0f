"""The tables of people and of what they prove themselves with. Reasons for the constraints stand in the models."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("username", models.CharField(max_length=64, unique=True)),
                ("name", models.TextField()),
                ("email", models.EmailField(blank=True, default="", max_length=254)),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("deactivated_at", models.DateTimeField(null=True)),
                ("password_attestation", models.BinaryField(max_length=64, null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("username__regex", "^[a-z0-9][a-z0-9._-]{0,63}$")),
                        name="accounts_user_username",
                    ),
                    models.CheckConstraint(condition=models.Q(("name", ""), _negated=True), name="accounts_user_name"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("deactivated_at__isnull", True), ("is_active", True)),
                            models.Q(("deactivated_at__isnull", False), ("is_active", False)),
                            _connector="OR",
                        ),
                        name="accounts_user_deactivated",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SetupLink",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("sha256", models.BinaryField(unique=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("used_at__isnull", True), ("used_at__lt", models.F("expires_at")), _connector="OR"
                        ),
                        name="accounts_setup_in_time",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Team",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("slug", models.SlugField(max_length=64, unique=True)),
                ("name", models.TextField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("name", ""), _negated=True), name="accounts_team_name")
                ],
            },
        ),
        migrations.CreateModel(
            name="Passkey",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("credential_id", models.BinaryField(unique=True)),
                ("public_key", models.BinaryField()),
                ("alg", models.IntegerField()),
                ("aaguid", models.UUIDField()),
                ("backup_eligible", models.BooleanField()),
                ("user_verified", models.BooleanField()),
                (
                    "transports",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                ("rp_id", models.TextField()),
                ("origin", models.TextField()),
                ("attestation_object", models.BinaryField()),
                ("client_data_json", models.BinaryField()),
                ("enrolled_at", models.DateTimeField()),
                ("enrolled_how", models.TextField()),
                ("attestation", models.BinaryField()),
                ("label", models.TextField(default="")),
                ("sign_count", models.BigIntegerField(default=0)),
                ("backed_up", models.BooleanField()),
                ("last_used_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                ("revoked_by", models.TextField(default="")),
                ("revoked_why", models.TextField(default="")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="passkeys",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("user_verified", True)), name="accounts_passkey_verified"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("alg__in", (-8, -7, -257))), name="accounts_passkey_alg"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("revoked_at__isnull", True), ("revoked_by", ""), ("revoked_why", "")),
                            models.Q(("revoked_at__isnull", False), models.Q(("revoked_by", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="accounts_passkey_revoked",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                (
                    "roles",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                (
                    "groups",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("attestation", models.BinaryField(max_length=64)),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="memberships", to="accounts.team"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("user", "team"), name="accounts_membership_once"),
                    models.CheckConstraint(
                        condition=models.Q(("roles__contained_by", ["reviewer", "operator", "admin", "auditor"])),
                        name="accounts_membership_roles",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("sha256", models.BinaryField(unique=True)),
                ("label", models.TextField(default="")),
                ("scope", models.TextField(default="read")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("expires_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="tokens", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="tokens", to="accounts.team"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("scope", "read")), name="accounts_token_scope"),
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("created_at"))), name="accounts_token_expires"
                    ),
                ],
            },
        ),
    ]
