"""What deliveries tell the rooms above. Receivers run inside the transaction of the judgement and only INSERT."""

from django.dispatch import Signal

delivery_verified = Signal()  # delivery
