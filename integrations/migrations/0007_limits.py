"""What a grant allows of arguments, and how often."""

import console.core.fields
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0006_revocations'),
    ]

    operations = [
        migrations.AddField(
            model_name='grant',
            name='limits',
            field=console.core.fields.OrderedJSONField(default=dict),
        ),
    ]
