"""Who: people, their teams, and what they prove themselves with."""

from console.accounts.models.identity import Identity
from console.accounts.models.passkey import Passkey
from console.accounts.models.people import Membership, Team, User
from console.accounts.models.proofing import Proofing
from console.accounts.models.secrets import ApiToken, SetupLink

__all__ = ["ApiToken", "Identity", "Membership", "Passkey", "Proofing", "SetupLink", "Team", "User"]
