"""Services that keep a door key: it leaves the door encrypted by a key that never leaves the service.

So its file alone opens nothing, and whoever runs the service can take it away from a door, and sees each start of one.
A door asks once for each key, when it first needs it.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
SECONDS = 10  # for each try of a service; a door that starts waits for it


class ServiceFailed(Exception):
    """The text tells which service, and what it said."""


@dataclass(frozen=True, slots=True)
class Service:
    """`keep` and `open` take the name that the service's own key has there; what is kept is a text without spaces."""

    title: str
    keep: Callable[[str, bytes], str]
    open: Callable[[str, str], bytes]
    package: str  # that has to be installed


def keep(name: str, where: str, raw: bytes) -> str:
    return _asked(name, where, lambda service: service.keep(where, raw))


def open_kept(name: str, where: str, kept: str) -> bytes:
    return _asked(name, where, lambda service: service.open(where, kept))


def _asked(name: str, where: str, ask: Callable[[Service], T]) -> T:
    service = SERVICES.get(name)
    if service is None:
        raise ServiceFailed(f"{name!r:.40} is no service that keeps keys; there are {', '.join(SERVICES)}.")
    try:
        return ask(service)
    except ImportError:
        raise ServiceFailed(f"{service.title} needs a package: install {service.package}.") from None
    except Exception as error:
        raise ServiceFailed(f"{service.title}, {where}: {type(error).__name__}: {error!s:.300}") from error


def _transit(where: str) -> tuple[Any, dict[str, str]]:
    """`mount/name`. Address, token and authority are those of its own tools: VAULT_ADDR, VAULT_TOKEN, VAULT_CACERT,
    VAULT_NAMESPACE."""
    import hvac  # noqa: PLC0415  # an extra

    mount, _, name = where.rpartition("/")
    return hvac.Client(timeout=SECONDS).secrets.transit, {"name": name, "mount_point": mount or "transit"}


def _vault_keep(where: str, raw: bytes) -> str:
    transit, place = _transit(where)
    return str(transit.encrypt_data(plaintext=b64encode(raw).decode(), **place)["data"]["ciphertext"])


def _vault_open(where: str, kept: str) -> bytes:
    transit, place = _transit(where)
    return b64decode(transit.decrypt_data(ciphertext=kept, **place)["data"]["plaintext"])


# What AWS writes into its own log of each use, and demands again to open.
_PURPOSE = {"purpose": "countersign door key"}


def _kms() -> Any:
    """Region, identity and address are those of its own tools: AWS_REGION, AWS_PROFILE, the machine's role …"""
    import boto3  # noqa: PLC0415  # an extra
    from botocore.config import Config  # noqa: PLC0415

    return boto3.client(
        "kms", config=Config(connect_timeout=SECONDS, read_timeout=SECONDS, retries={"max_attempts": 2})
    )


def _kms_keep(where: str, raw: bytes) -> str:
    answer = _kms().encrypt(KeyId=where, Plaintext=raw, EncryptionContext=_PURPOSE)
    return b64encode(answer["CiphertextBlob"]).decode()


def _kms_open(where: str, kept: str) -> bytes:
    answer = _kms().decrypt(KeyId=where, CiphertextBlob=b64decode(kept), EncryptionContext=_PURPOSE)
    return bytes(answer["Plaintext"])


SERVICES: Mapping[str, Service] = {
    "vault": Service("Vault or OpenBao", _vault_keep, _vault_open, "hvac"),
    "aws-kms": Service("AWS KMS", _kms_keep, _kms_open, "boto3"),
}
