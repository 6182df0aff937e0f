"""How long after an approval the next step begins, beside Celery, DBOS and LangGraph (`next_step`). And what a policy
and a queue cost as they grow: a ruling by 50, 158 and 500 rules, of which a tenth are expressions, and the queue's page
with 100, 1,000 and 10,000 open reviews.

The action that is ruled on is matched by the last rule alone, so that all are looked at. Totals are counted in the
database, beside it and in its time.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial

import psycopg
from django.db import connection
from django.test import Client

from approvals.authority import load
from approvals.models import Review
from approvals.policies.decide import decide
from approvals.policies.document import parse
from approvals.policies.question import Question
from approvals.publish import publish_policy
from approvals.ruling import rule
from benchmarks import form
from benchmarks.bench import Bench, say
from benchmarks.counted import Noted
from benchmarks.ledger import Ledger, set_up
from benchmarks.next_step import next_steps
from console.accounts.models import User
from console.home.cluster import SUPERUSER
from console.home.processes import DATABASE

RUNS = 3
RULES = (50, 158, 500)
REVIEWS = (100, 1_000, 10_000)
RULINGS, PAGES, APPROVED, QUICK = 600, 60, 100, 12
TOTALS = """totals:
  spent: {sum: eur, by: [workflow], hours: 24}
  often: {count: actions, by: [counterparty], hours: 24}
  lately: {count: actions, hours: 1}
"""
# Every column of a row but its keys: of one action, its ruling, its review, the slot and the group that it asks.
_MORE = """
WITH new AS (SELECT n, 'act_b' || n AS action, 'rev_b' || n AS review, 'slt_b' || n AS slot
             FROM generate_series(%(first)s::int, %(last)s::int) n),
actions AS (INSERT INTO approvals_action SELECT (jsonb_populate_record(old, jsonb_build_object(
    'id', new.action, 'created_at', old.created_at + new.n * interval '1 ms'))).*
    FROM new, approvals_action old WHERE old.id = %(action)s),
reviews AS (INSERT INTO approvals_review SELECT (jsonb_populate_record(old, jsonb_build_object(
    'id', new.review, 'action_id', new.action, 'expires_at', old.expires_at + new.n * interval '1 s'))).*
    FROM new, approvals_review old WHERE old.id = %(review)s),
slots AS (INSERT INTO approvals_slot SELECT (jsonb_populate_record(old, jsonb_build_object(
    'id', new.slot, 'review_id', new.review))).* FROM new, approvals_slot old WHERE old.review_id = %(review)s)
INSERT INTO approvals_slotgroup (review_id, slot_id, "group", at)
SELECT new.review, new.slot, old."group", old.at FROM new, approvals_slotgroup old WHERE old.review_id = %(review)s
"""


def measure(bench: Bench, *, quick: bool) -> form.Measured:
    upstream = bench.listen_to("upstream", "-m", "benchmarks.upstream")
    address = f"http://127.0.0.1:{upstream.wait_beginning('port')}"
    ledger = set_up(address)
    figures = next_steps(bench, ledger, address, QUICK if quick else APPROVED)
    [review] = ledger.hold(1)
    for name in ("web", "worker", "door", "beat"):
        bench.stop(name)
    figures |= rulings(review, ledger, QUICK if quick else RULINGS)
    figures |= queues(bench, review, QUICK if quick else PAGES)
    goals = [
        *beside_peers(figures),
        form.at_most("a policy of 500 rules, 50 of them expressions, ruled, median", figures["ruled_500"], 2),
        form.at_most("queries of a ruling", figures["ruling_queries"], 3),
        form.at_most("the queue's page with 10,000 open reviews", figures["queue_10000"], 150),
        form.at_most("queries of that page", figures["queue_queries_10000"], 12),
        form.at_most("rules: ten times as many take so many times as long", growth(figures, "ruled", RULES), 12),
        form.at_most("reviews: a hundred times as many take so many times as long", growth(figures, "queue", REVIEWS),
                     12),
    ]  # fmt: skip
    return form.Measured(RUNS, figures, goals)


def beside_peers(figures: dict[str, form.Figure]) -> list[form.Claim]:
    """Nothing is claimed of a peer that was not measured."""
    wanted = {"dbos": 1, "celery": 4}
    words = "sign-off to the committed start of what was approved, p50, beside {}'s approval to next step"
    return [
        form.at_most(words.format(peer), figures[f"begun_to_{peer}"], most)
        for peer, most in wanted.items()
        if f"begun_to_{peer}" in figures
    ]


def rulings(review: str, ledger: Ledger, samples: int) -> dict[str, form.Figure]:
    """`ruled_N` is the policy alone, `ruling_N` with what it counts in the database."""
    figures, action = {}, Review.objects.values_list("action", flat=True).get(pk=review)
    for rules in RULES:
        say(f"a policy of {rules} rules: {samples} samples")
        source = policy(rules)
        document = parse(source)
        asked = Question("ledger", "ledger.post_entry", "survey", "write", frozenset({"financial"}), "reviewed",
                         "native_key", 4_200, "eur", counterparty="somebody", counted=COUNTED)  # fmt: skip
        assert decide(document, asked).rule == "last"
        figures[f"ruled_{rules}"] = form.figure([median(partial(decide, document, asked), samples)
                                                 for _ in range(RUNS)], "ms")  # fmt: skip
        publish_policy(source, actor=ledger.admin)
        loaded, noted = load(action), Noted()
        assert rule(loaded)[1].rule == "last"
        with connection.execute_wrapper(noted):
            rule(loaded)
        figures[f"ruling_{rules}"] = form.figure([median(partial(rule, loaded), samples) for _ in range(RUNS)], "ms")
        counting = [sql for _, _, sql in noted.queries if '"approvals_action"' in sql]
        figures["ruling_queries"] = form.figure([float(len(counting))], "queries")
    return figures


COUNTED = {"new_counterparty": False, "data": frozenset({"payment"}), "untrusted": False, "prior_actions": 1,
           "prior_operations": frozenset({"ledger.get_entry"}), "distance": 10, "total_spent": 4_200, "total_often": 1,
           "total_lately": 1}  # fmt: skip


def policy(rules: int) -> str:
    """None of its rules but the last matches what is asked."""
    written = "".join(_rule(number) for number in range(rules - 1))
    last = "  - {id: last, when: {}, then: review, review: {slots: [{group: finance}]}}\n"
    return f"policy: p\n{TOTALS}rules:\n{written}{last}"


def _rule(number: int) -> str:
    match number % 10:
        case 0:
            when = f"condition: \"amount > {9_000 + number} && workflow == 'w{number}'\""
        case 1:
            when = f"total: {{spent: {{at_least: {900_000 + number}}}}}"
        case 2:
            when = f"total: {{often: {{at_least: {900 + number}}}, lately: {{at_least: {9_000 + number}}}}}"
        case 3:
            when = f"amount: {{currency: eur, at_least: {90_000 + number}}}"
        case 4:
            when = "time: {days: [mon, tue, wed, thu, fri, sat, sun], from: '00:00', until: '00:01'}, effect: [read]"
        case _:
            when = f"operation: [other.operation_{number}], workflow: [w{number}]"
    return f"  - {{id: r{number}, when: {{{when}}}, then: deny}}\n"


def queues(bench: Bench, review: str, samples: int) -> dict[str, form.Figure]:
    """Milliseconds of the whole answer, as the process makes it, with session and middleware."""
    figures: dict[str, form.Figure] = {}
    action, there = Review.objects.values_list("action", flat=True).get(pk=review), 1
    client = Client(headers={"host": f"localhost:{bench.port}"})
    client.force_login(User.objects.get(username="reviewer"))
    with psycopg.connect(bench.postgres.url(SUPERUSER, DATABASE), autocommit=True) as database:
        database.execute("SET session_replication_role = replica")  # rows that are only looked at need no records
        for reviews in REVIEWS:
            database.execute(_MORE, {"first": there, "last": reviews - 1, "action": action, "review": review})
            database.execute("ANALYZE")
            there = reviews
            say(f"a queue of {reviews} reviews: {samples} samples")
            assert Review.objects.filter(state="open").count() == reviews
            figures |= _queue(client, reviews, samples)
    return figures


def _queue(client: Client, reviews: int, samples: int) -> dict[str, form.Figure]:
    noted = Noted()
    with connection.execute_wrapper(noted):
        assert client.get("/reviews/").status_code == 200
    taken = [median(lambda: client.get("/reviews/"), samples) for _ in range(RUNS)]
    return {
        f"queue_{reviews}": form.figure(taken, "ms"),
        f"queue_queries_{reviews}": form.figure([float(len(noted.queries))], "queries"),
    }


def median(act: Callable[[], object], samples: int) -> float:
    """Milliseconds."""
    return statistics.median(_timed(act) for _ in range(samples))


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter_ns()
    act()
    return (time.perf_counter_ns() - began) / 1e6


def growth(figures: dict[str, form.Figure], name: str, sizes: tuple[int, ...]) -> form.Figure:
    least, most = figures[f"{name}_{sizes[0]}"], figures[f"{name}_{sizes[-1]}"]
    return form.figure([most.median / least.median], "times")
