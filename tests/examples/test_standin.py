"""The payment stand-in does what the integration's description and the demo rely on. It really runs here."""

import subprocess
import time
from itertools import combinations
from typing import Any

import httpx
import pytest

from examples.demo.charges import SeededCharges, alter_charge, refund_by_hand, refunds, seed_charges
from examples.demo.planned import CONTRACTS, PAYMENTS, PEOPLE
from examples.standins.launcher import free_port, wait_ready


@pytest.fixture
def seeded(standin: str) -> SeededCharges:
    return seed_charges(standin)


def charges(api: httpx.Client) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.get("/v1/charges", params={"limit": 100}).json()["data"]
    return rows


def doubles(rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """The billing workflow's step, written once more in the plainest way."""
    good = sorted((row for row in rows if row["paid"] and not row["amount_refunded"]), key=lambda row: row["created"])
    return {
        (one["id"], two["id"])
        for one, two in combinations(good, 2)
        if all(one[field] == two[field] for field in ("customer", "amount", "currency"))
        and two["created"] - one["created"] <= 600
    }


def test_waiting_for_a_standin_that_has_ended_fails_at_once() -> None:
    with subprocess.Popen(["false"]) as process:
        process.wait()
        with pytest.raises(RuntimeError, match="ended with code 1"):
            wait_ready(f"http://127.0.0.1:{free_port()}", process)


def test_a_key_that_is_not_secret_is_refused(standin: str) -> None:
    assert httpx.get(f"{standin}/v1/charges", headers={"Authorization": "Bearer pk_test_1"}).status_code == 401


def test_seeding_leaves_exactly_two_doubles(api: httpx.Client, seeded: SeededCharges) -> None:
    rows = charges(api)
    assert len(rows) == len(PAYMENTS) + len(CONTRACTS)
    assert doubles(rows) == {(pair.earlier, pair.later) for pair in seeded.doubles}
    amounts = {row["id"]: (row["amount"], row["currency"], row["created"]) for row in rows}
    large, small = (tuple(amounts[id] for id in (pair.earlier, pair.later)) for pair in seeded.doubles)
    assert [row[:2] for row in large + small] == [(48000, "eur")] * 2 + [(4200, "eur")] * 2
    assert (large[1][2] - large[0][2], small[1][2] - small[0][2]) == (180, 41)


def test_seeded_charges_lie_in_the_past_in_their_order(api: httpx.Client, seeded: SeededCharges) -> None:
    created = [row["created"] for row in charges(api)]
    assert created == sorted(created)
    assert created[-1] < time.time() - 3600


def test_seeding_again_makes_nothing(api: httpx.Client, standin: str, seeded: SeededCharges) -> None:
    before = charges(api)
    api.delete(f"/v1/subscriptions/{seeded.subscriptions['studio']}").raise_for_status()
    assert seed_charges(standin) == seeded
    assert charges(api) == before


def test_names_of_customers_survive(api: httpx.Client, seeded: SeededCharges) -> None:
    names = {key: api.get(f"/v1/customers/{id}").json()["name"] for key, id in seeded.customers.items()}
    assert names == {person.key: person.name for person in PEOPLE}


def test_a_refund_shows_in_its_list_and_on_the_charge(api: httpx.Client, standin: str, seeded: SeededCharges) -> None:
    charge = seeded.pair("small").later
    form = {
        "charge": charge,
        "amount": "4200",
        "metadata[countersign_call]": "k1",
        "metadata[note]": "zweimal ü",
    }
    assert api.post("/v1/refunds", data=form).status_code == 200
    (refund,) = refunds(standin, charge)
    assert refund["metadata"] == {"countersign_call": "k1", "note": "zweimal ü"}
    read = api.get(f"/v1/charges/{charge}").json()
    assert (read["refunded"], read["amount_refunded"]) == (True, 4200)


def test_a_repeated_key_makes_a_second_refund(api: httpx.Client, standin: str, seeded: SeededCharges) -> None:
    """Why the probe counts and the header does not; and why this is a good witness of exactly-once."""
    charge = seeded.pair("small").later
    for _ in range(2):
        form = {"charge": charge, "amount": "4200"}
        api.post("/v1/refunds", data=form, headers={"Idempotency-Key": "k1"}).raise_for_status()
    assert [refund["amount"] for refund in refunds(standin, charge)] == [4200, 4200]


def test_a_charge_can_change_under_a_proposal(api: httpx.Client, standin: str, seeded: SeededCharges) -> None:
    charge = seeded.pair("large").later
    assert alter_charge(standin, charge, amount=47000)["amount"] == 47000
    refund_by_hand(standin, charge, 1000)
    read = api.get(f"/v1/charges/{charge}").json()
    assert (read["amount"], read["amount_refunded"]) == (47000, 1000)


def test_a_subscription_is_cancelled_once_and_stays_so(api: httpx.Client, seeded: SeededCharges) -> None:
    path = f"/v1/subscriptions/{seeded.subscriptions['studio']}"
    before = api.get(path).json()
    assert (before["status"], before["items"]["data"][0]["quantity"]) == ("active", 3)
    assert before["current_period_end"] > time.time()
    assert [api.delete(path).status_code for _ in range(2)] == [200, 200]
    after = api.get(path).json()
    assert after == before | {"status": "canceled", "ended_at": after["ended_at"]}
    listed = api.get("/v1/subscriptions").json()["data"]
    assert [row["id"] for row in listed] == [seeded.subscriptions["archive"]]
