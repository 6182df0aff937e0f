import pytest

from audit.models import Record
from console.accounts.models import User
from console.accounts.passwords import Throttled, confirm_password
from console.core.errors import Forbidden
from tests.accounts.conftest import PASSWORD, acting


def kinds(user: User) -> list[str]:
    told = Record.objects.of(user.id).filter(kind__startswith="accounts:password:")
    return list(told.order_by("at").values_list("kind", flat=True))


def test_right_password_confirms_and_is_recorded(ada: User) -> None:
    confirm_password(ada, PASSWORD, actor=acting(ada))
    assert kinds(ada) == ["accounts:password:confirmed"]


def test_five_wrong_passwords_close_the_way_for_the_right_one(ada: User) -> None:
    for _ in range(5):
        with pytest.raises(Forbidden) as refusal:
            confirm_password(ada, "guess", actor=acting(ada), address="192.0.2.1")
        assert refusal.value.code == "wrong_password"
    with pytest.raises(Throttled):
        confirm_password(ada, PASSWORD, actor=acting(ada))
    assert kinds(ada) == ["accounts:password:refused"] * 5 + ["accounts:password:throttled"]


def test_guesses_at_one_person_do_not_stop_another(ada: User, grace: User) -> None:
    for _ in range(5):
        with pytest.raises(Forbidden):
            confirm_password(ada, "guess", actor=acting(ada))
    confirm_password(grace, PASSWORD, actor=acting(grace))


def test_nobody_confirms_for_another_or_by_token(ada: User, grace: User) -> None:
    for actor in (acting(grace), acting(ada, auth="token")):
        with pytest.raises(Forbidden):
            confirm_password(ada, PASSWORD, actor=actor)
    assert kinds(ada) == []


def test_address_stays_out_of_the_leaf(ada: User) -> None:
    with pytest.raises(Forbidden):
        confirm_password(ada, "guess", actor=acting(ada), address="192.0.2.1")
    assert b"192.0.2.1" not in bytes(Record.objects.get(subject=ada.id, kind="accounts:password:refused").leaf)
