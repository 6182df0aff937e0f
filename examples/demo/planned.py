"""The demo's customers, charges and subscriptions, as data.

Two pairs of charges are true doubles. The others look like doubles and are not: each differs in the one thing
that a careless search for doubles forgets.
"""

from dataclasses import dataclass

MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Person:
    """A customer. The addresses end in example.com, which is reserved and reaches nobody (RFC 2606)."""

    key: str
    name: str
    email: str
    city: str


PEOPLE = (
    Person("oluwaseun", "Oluwaseun Adeyemi", "oluwaseun.adeyemi@example.com", "Lagos"),
    Person("zoe", "Zoë Lindqvist", "zoe.lindqvist@example.com", "Malmö"),
    Person("chau", "Nguyễn Thị Minh Châu", "minhchau.nguyen@example.com", "Huế"),
    Person("siobhan", "Siobhán O'Rourke", "siobhan.orourke@example.com", "Galway"),
    Person("maria", "María José Etxeberria", "mj.etxeberria@example.com", "Donostia"),
    Person("misaki", "佐藤 美咲", "misaki.sato@example.com", "仙台"),
    Person("lukasz", "Łukasz Wójcik", "lukasz.wojcik@example.com", "Łódź"),
    Person("amelie", "Amélie Traoré", "amelie.traore@example.com", "Bamako"),
)


@dataclass(frozen=True)
class Payment:
    """One charge. `order` is what was bought; `payment` the attempt to pay: unique, to find it again."""

    name: str
    person: str
    amount: int  # minor units
    currency: str
    age: int  # seconds before the time of seeding
    order: str
    payment: str
    refunded: bool = False


# Oldest first, because the stand-in lists in the order of making.
PAYMENTS = (
    Payment("large.earlier", "zoe", 48000, "eur", 26 * HOUR, "A-1041", "P-20411"),
    Payment("large.later", "zoe", 48000, "eur", 26 * HOUR - 3 * MINUTE, "A-1041", "P-20412"),
    # Eleven minutes apart: a second purchase.
    Payment("apart.earlier", "chau", 6500, "eur", 25 * HOUR, "A-1044", "P-20441"),
    Payment("apart.later", "chau", 6500, "eur", 25 * HOUR - 11 * MINUTE, "A-1045", "P-20451"),
    # The same number in another currency is another amount.
    Payment("currency.eur", "siobhan", 8400, "eur", 21 * HOUR, "A-1050", "P-20501"),
    Payment("currency.usd", "siobhan", 8400, "usd", 21 * HOUR - MINUTE, "A-1051", "P-20511"),
    # A true double, but the money has gone back already.
    Payment("refunded.earlier", "maria", 12000, "eur", 9 * HOUR, "A-1060", "P-20601"),
    Payment("refunded.later", "maria", 12000, "eur", 9 * HOUR - 2 * MINUTE, "A-1060", "P-20602", refunded=True),
    Payment("small.earlier", "oluwaseun", 4200, "eur", 5 * HOUR, "A-1066", "P-20661"),
    # Somebody else's, between the two of the small double.
    Payment("customer.other", "misaki", 4200, "eur", 5 * HOUR - 20, "A-1067", "P-20671"),
    Payment("small.later", "oluwaseun", 4200, "eur", 5 * HOUR - 41, "A-1066", "P-20662"),
)


@dataclass(frozen=True)
class Plan:
    id: str
    title: str
    amount: int  # minor units, per piece and interval
    currency: str
    interval: str


STUDIO = Plan("studio-monthly", "Studio", 2900, "eur", "month")
ARCHIVE = Plan("archive-yearly", "Archive", 34900, "eur", "year")


@dataclass(frozen=True)
class Contract:
    """One subscription. It charges its first period by itself, so its customer must have no other charges."""

    name: str
    person: str
    plan: Plan
    quantity: int
    age: int  # shorter than one interval: the stand-in never renews, so the period would end in the past
    number: str


CONTRACTS = (
    Contract("archive", "amelie", ARCHIVE, quantity=1, age=80 * DAY, number="C-274"),
    Contract("studio", "lukasz", STUDIO, quantity=3, age=12 * DAY, number="C-318"),
)
