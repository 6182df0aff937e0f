"""What accounts tells the rooms above, inside the transaction. Receivers only INSERT a wake row, or leave something to
be done after the commit."""

from django.dispatch import Signal

# Arguments: `user` (the row) and `actor`.
user_deactivated = Signal()
