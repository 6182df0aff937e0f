"""What every row with a sealed secret has."""

from django.db import models

from console.core.sealing import Sealed


class SealedRow(models.Model):
    """`place` says which row and column it is: sealed there, it opens nowhere else."""

    sealed = models.BinaryField()
    wrapped = models.BinaryField(default=b"")  # its data key; empty where the secret is sealed to the door key itself
    door_key = models.TextField()  # the id of the key that opens it

    class Meta:
        abstract = True

    @property
    def place(self) -> str:
        raise NotImplementedError

    @property
    def seal(self) -> Sealed:
        return Sealed(self.place, self.door_key, bytes(self.sealed), bytes(self.wrapped))

    @seal.setter
    def seal(self, given: Sealed) -> None:
        self.door_key, self.sealed, self.wrapped = given.door_key, given.content, given.wrapped
