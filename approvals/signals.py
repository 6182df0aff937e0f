"""The one signal that travels up from here."""

from django.dispatch import Signal

# Sent inside the transaction that settles an action, with `action`. Receivers only insert a wake row: the lock on the
# action is held, and everything above it in the lock order is out of reach.
action_settled = Signal()
