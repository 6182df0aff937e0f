"""What accounts tells the rooms above, inside the transaction. Receivers only INSERT a wake row."""

from django.dispatch import Signal

# Arguments: `user` (the row) and `actor`.
user_deactivated = Signal()
