"""Notices to one person, whom somebody asks to look."""

import django.contrib.postgres.fields
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_identities'),
        ('notices', '0001_tables'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='notice',
            name='notices_notice_occasion_known',
        ),
        migrations.AddField(
            model_name='event',
            name='people',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
        ),
        migrations.AddConstraint(
            model_name='notice',
            constraint=models.CheckConstraint(condition=models.Q(('occasion__in', ['opened', 'reminder', 'asked', 'ended'])), name='notices_notice_occasion_known'),
        ),
    ]
