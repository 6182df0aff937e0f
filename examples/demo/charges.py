"""Fills the payment stand-in with the demo's customers, charges and subscriptions, through its public API."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from examples.demo.planned import CONTRACTS, PAYMENTS, PEOPLE, Contract, Payment, Person, Plan

API_KEY = "sk_test_12345"  # the stand-in takes anything that starts with sk_
CARD = {"object": "card", "number": "4242424242424242", "exp_month": "9", "exp_year": "2031", "cvc": "314"}


@dataclass(frozen=True)
class Pair:
    earlier: str  # ids of charges
    later: str


@dataclass(frozen=True)
class SeededCharges:
    """Ids by the names in `planned`."""

    customers: Mapping[str, str]
    charges: Mapping[str, str]
    subscriptions: Mapping[str, str]

    def pair(self, name: str) -> Pair:
        return Pair(self.charges[f"{name}.earlier"], self.charges[f"{name}.later"])

    @property
    def doubles(self) -> tuple[Pair, Pair]:
        """What the billing workflow must find, and nothing else: 480.00 EUR and 42.00 EUR."""
        return self.pair("large"), self.pair("small")


def seed_charges(base_url: str, api_key: str = API_KEY) -> SeededCharges:
    """Make what is missing and answer the ids of all of it.

    A second call makes nothing: customers are known by e-mail, charges and subscriptions by their numbers in
    metadata. Two calls at the same time may both make it.
    """
    with connected(base_url, api_key) as client:
        customers = {person.key: ensure_customer(client, person) for person in PEOPLE}
        subscriptions = ensure_subscriptions(client, customers)
        return SeededCharges(customers, ensure_charges(client, customers), subscriptions)


def refunds(base_url: str, charge: str, api_key: str = API_KEY) -> list[dict[str, Any]]:
    """All refunds of one charge, newest first: what tests count to show that an effect happened once."""
    with connected(base_url, api_key) as client:
        return list(everything(client, "/v1/refunds", charge=charge))


def refund_by_hand(base_url: str, charge: str, amount: int, api_key: str = API_KEY) -> dict[str, Any]:
    """What a colleague does in the provider's own pages meanwhile; makes a proposal for this charge stale."""
    with connected(base_url, api_key) as client:
        return post(client, "/v1/refunds", {"charge": charge, "amount": str(amount)})


def alter_charge(base_url: str, charge: str, api_key: str = API_KEY, **fields: Any) -> dict[str, Any]:
    """Change stored fields of a charge (created, amount, currency, customer, description, metadata).

    What the stand-in works out by itself (amount_refunded, refunded, paid) cannot be set: it answers 500,
    having set the fields that came before.
    """
    with connected(base_url, api_key) as client:
        return alter(client, charge, fields)


def ensure_customer(client: httpx.Client, person: Person) -> str:
    for known in everything(client, "/v1/customers", email=person.email):
        return str(known["id"])
    form = {"name": person.name, "email": person.email, "address[city]": person.city}
    form |= {f"source[{field}]": value for field, value in CARD.items()}
    return str(post(client, "/v1/customers", form)["id"])


def ensure_charges(client: httpx.Client, customers: Mapping[str, str]) -> dict[str, str]:
    known = {row["metadata"].get("payment"): str(row["id"]) for row in everything(client, "/v1/charges")}
    now = int(time.time())
    return {
        planned.name: known.get(planned.payment) or make_charge(client, planned, customers[planned.person], now)
        for planned in PAYMENTS
    }


def make_charge(client: httpx.Client, payment: Payment, customer: str, now: int) -> str:
    form = {
        "customer": customer,
        "amount": str(payment.amount),
        "currency": payment.currency,
        "description": f"Order {payment.order}",
        "metadata[order]": payment.order,
        "metadata[payment]": payment.payment,
    }
    charge = str(post(client, "/v1/charges", form)["id"])
    alter(client, charge, {"created": now - payment.age})
    if payment.refunded:
        post(client, "/v1/refunds", {"charge": charge, "amount": str(payment.amount)})
    return charge


def alter(client: httpx.Client, charge: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON: of a form the stand-in would keep numbers as strings."""
    return answer(client.post(f"/v1/charges/{charge}", json=dict(fields)))


def ensure_subscriptions(client: httpx.Client, customers: Mapping[str, str]) -> dict[str, str]:
    # status=all: one that the demo has cancelled is not made again.
    rows = everything(client, "/v1/subscriptions", status="all")
    known = {row["metadata"].get("contract"): str(row["id"]) for row in rows}
    now = int(time.time())
    return {
        planned.name: known.get(planned.number)
        or make_subscription(client, planned, customers[planned.person], now - planned.age)
        for planned in CONTRACTS
    }


def make_subscription(client: httpx.Client, contract: Contract, customer: str, started: int) -> str:
    ensure_plan(client, contract.plan)
    form = {
        "customer": customer,
        "items[0][plan]": contract.plan.id,
        "items[0][quantity]": str(contract.quantity),
        "backdate_start_date": str(started),
        "metadata[contract]": contract.number,
    }
    made = post(client, "/v1/subscriptions", form)
    for first in everything(client, "/v1/charges", customer=customer):
        # The start is backdated, the charge it makes is not.
        alter(client, first["id"], {"created": started, "description": f"Contract {contract.number}"})
    return str(made["id"])


def ensure_plan(client: httpx.Client, plan: Plan) -> None:
    if client.get(f"/v1/plans/{plan.id}").status_code == httpx.codes.OK:
        return
    form = {"id": plan.id, "nickname": plan.title, "product[name]": plan.title, "amount": str(plan.amount)}
    post(client, "/v1/plans", form | {"currency": plan.currency, "interval": plan.interval})


@contextmanager
def connected(base_url: str, api_key: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {api_key}"}
    with httpx.Client(base_url=base_url, headers=headers, timeout=10, trust_env=False) as client:
        yield client


def everything(client: httpx.Client, path: str, **query: str) -> Iterator[dict[str, Any]]:
    """All pages of a list; a page holds 10 rows unless asked."""
    page = answer(client.get(path, params=query | {"limit": "100"}))
    yield from page["data"]
    while page["has_more"]:
        after = page["data"][-1]["id"]
        page = answer(client.get(path, params=query | {"limit": "100", "starting_after": after}))
        yield from page["data"]


def post(client: httpx.Client, path: str, form: Mapping[str, str]) -> dict[str, Any]:
    return answer(client.post(path, data=dict(form)))


def answer(response: httpx.Response) -> dict[str, Any]:
    response.raise_for_status()
    found: dict[str, Any] = response.json()
    return found
