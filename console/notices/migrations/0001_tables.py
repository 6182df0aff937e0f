"""What people want to be told of, and where. Web says what is wanted; the door alone tells."""

import console.notices.models
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

RIGHTS = """
-- Web says what is wanted, and asks for a test or a confirmation; what becomes of it is the door's to say.
REVOKE UPDATE, DELETE ON notices_channel, notices_event, notices_message FROM countersign_app;
GRANT UPDATE (ended_at) ON notices_channel TO countersign_app;
REVOKE INSERT, UPDATE, DELETE ON notices_notice FROM countersign_app;
-- The door plans and tells. It says nothing for people, and no other channel than theirs; it forgets.
REVOKE INSERT, UPDATE, DELETE ON notices_preference FROM countersign_door;
REVOKE INSERT, UPDATE ON notices_address, notices_rotaentry FROM countersign_door;
REVOKE INSERT, UPDATE, DELETE ON notices_channel FROM countersign_door;
GRANT UPDATE (wrapped, door_key) ON notices_channel TO countersign_door;
REVOKE ALL ON notices_preference, notices_address, notices_rotaentry, notices_channel, notices_event, notices_message,
    notices_notice FROM countersign_sequencer;
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0002_guards'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Address',
            fields=[
                ('id', models.TextField(default=console.notices.models.address_id, primary_key=True, serialize=False)),
                ('email', models.EmailField(max_length=254)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('confirmed_at', models.DateTimeField(null=True)),
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Channel',
            fields=[
                ('sealed', models.BinaryField()),
                ('wrapped', models.BinaryField(default=b'')),
                ('door_key', models.TextField()),
                ('id', models.TextField(default=console.notices.models.channel_id, primary_key=True, serialize=False)),
                ('kind', models.TextField()),
                ('name', models.TextField()),
                ('host', models.TextField()),
                ('groups', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
                ('public_key', models.BinaryField(default=b'', max_length=32)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(null=True)),
                ('attestation', models.BinaryField(max_length=64)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.team')),
            ],
            options={
                'ordering': ['created_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.TextField(default=console.notices.models.event_id, primary_key=True, serialize=False)),
                ('review', models.TextField()),
                ('kind', models.TextField()),
                ('integration', models.TextField()),
                ('operation', models.TextField()),
                ('categories', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('groups', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('makers', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('at', models.DateTimeField()),
                ('due_at', models.DateTimeField(null=True)),
                ('planned_at', models.DateTimeField(null=True)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.team')),
            ],
        ),
        migrations.CreateModel(
            name='Message',
            fields=[
                ('id', models.TextField(default=console.notices.models.message_id, primary_key=True, serialize=False)),
                ('kind', models.TextField(default='reviews')),
                ('content', models.BinaryField(default=b'')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('tries', models.IntegerField(default=0)),
                ('next_at', models.DateTimeField(null=True)),
                ('sent_at', models.DateTimeField(null=True)),
                ('why_not', models.TextField(default='')),
                ('channel', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='notices.channel')),
                ('team', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.team')),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('review', models.TextField()),
                ('occasion', models.TextField()),
                ('moment', models.DateTimeField()),
                ('next_at', models.DateTimeField(null=True)),
                ('channel', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='notices.channel')),
                ('event', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notices', to='notices.event')),
                ('message', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='notices', to='notices.message')),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.team')),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Preference',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='+', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('zone', models.TextField(default='UTC')),
                ('days', django.contrib.postgres.fields.ArrayField(base_field=models.SmallIntegerField(), default=console.notices.models.weekdays, size=None)),
                ('begins', models.SmallIntegerField(default=480)),
                ('ends', models.SmallIntegerField(default=1080)),
                ('quiet_from', models.SmallIntegerField(default=0)),
                ('quiet_until', models.SmallIntegerField(default=0)),
                ('window', models.SmallIntegerField(default=2)),
                ('cap', models.SmallIntegerField(default=12)),
                ('by_mail', models.BooleanField(default=True)),
                ('reminders', models.BooleanField(default=True)),
                ('of_ends', models.BooleanField(default=False)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('begins__range', (0, 1439)), ('ends__range', (0, 1439)), ('quiet_from__range', (0, 1439)), ('quiet_until__range', (0, 1439))), name='notices_preference_minutes'), models.CheckConstraint(condition=models.Q(('cap__range', (1, 60)), ('window__range', (0, 60))), name='notices_preference_pace')],
            },
        ),
        migrations.CreateModel(
            name='RotaEntry',
            fields=[
                ('id', models.TextField(default=console.notices.models.rota_id, primary_key=True, serialize=False)),
                ('group', models.TextField()),
                ('begins_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.team')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['group', 'begins_at', 'id'],
            },
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['webhook', 'chat'])), name='notices_channel_kind_known'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('planned_at', None)), fields=['at'], name='notices_event_new'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('planned_at', None), _negated=True), fields=['at'], name='notices_event_old'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('next_at', None), _negated=True), fields=['next_at'], name='notices_message_due'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['user', '-created_at'], name='notices_message_of_user'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['reviews', 'test', 'confirm'])), name='notices_message_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('channel__isnull', False), ('user', None)), models.Q(('channel', None), ('user__isnull', False)), _connector='OR'), name='notices_message_to_one'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('next_at', None), models.Q(('sent_at', None), ('why_not', '')), _connector='OR'), name='notices_message_over_or_due'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(condition=models.Q(('next_at', None), _negated=True), fields=['next_at'], name='notices_notice_due'),
        ),
        migrations.AddConstraint(
            model_name='notice',
            constraint=models.CheckConstraint(condition=models.Q(('occasion__in', ['opened', 'reminder', 'ended'])), name='notices_notice_occasion_known'),
        ),
        migrations.AddConstraint(
            model_name='notice',
            constraint=models.UniqueConstraint(fields=('review', 'user', 'channel', 'occasion'), name='notices_notice_once', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='notice',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('channel__isnull', False), ('user', None)), models.Q(('channel', None), ('user__isnull', False)), _connector='OR'), name='notices_notice_to_one'),
        ),
        migrations.AddIndex(
            model_name='rotaentry',
            index=models.Index(fields=['team', 'group', 'ends_at'], name='notices_rota_now'),
        ),
        migrations.AddConstraint(
            model_name='rotaentry',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('begins_at'))), name='notices_rota_lasts'),
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
