"""Out of the queue into the log: what waits becomes a record with a place in the tree, in one statement."""

import uuid
from typing import NamedTuple

from django.db import connection

from audit.models import Tree

# The index of a batch goes on from the size of the tree, under the lock on its row. A second record with the id of one
# that has its place was not written by the product: it is kept, gets none, and is told. It lies under a moment of now:
# whoever writes many under one id gets two of one moment, and no two records have both in common. Team and run are cut
# for the same reason: where nothing waits for an index, longer ones get in than the log's indexes can hold.
_TAKE = """
WITH taken AS (
    DELETE FROM audit_waiting WHERE {chosen}
    RETURNING id, log, at, leaf, kind, subject, state, actor_kind, actor, team, run, trace
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY id ORDER BY at) - CASE
        WHEN (SELECT idx FROM audit_leaf WHERE record_id = id AND tree_id = %(tree)s) IS NULL THEN 1 ELSE 0 END AS again
    FROM taken
), kept AS (
    INSERT INTO audit_record (id, log, at, leaf, kind, subject, state, actor_kind, actor, team, run, trace)
    SELECT id, log, CASE again WHEN 0 THEN at ELSE transaction_timestamp() + again * interval '1 microsecond' END,
        leaf, kind, subject, state, actor_kind, actor, left(team, 500), left(run, 500), trace
    FROM ranked
), placed AS (
    INSERT INTO audit_leaf (tree_id, idx, record_id, at, leaf_hash)
    SELECT %(tree)s, %(size)s + row_number() OVER (ORDER BY id) - 1, id, at, sha256('\\x00'::bytea || leaf)
    FROM ranked WHERE again = 0
    RETURNING idx, leaf_hash
)
SELECT idx, leaf_hash, NULL::uuid FROM placed
UNION ALL SELECT NULL::bigint, NULL::bytea, id FROM ranked WHERE again > 0
ORDER BY idx
"""

# Ids are ordered by time. In their order, records that were written together lie together in the tree as well, which is
# what exports live on. There is no index to read it from: writers would pay for it, and what waits is little.
OLDEST = _TAKE.format(chosen="ctid = ANY (ARRAY(SELECT ctid FROM audit_waiting ORDER BY id LIMIT %(given)s))")
ONE = _TAKE.format(chosen="id = %(given)s")


class Taken(NamedTuple):
    """Hashes of the leaves, in their order, and the ids of second records."""

    hashes: list[bytes]
    again: list[uuid.UUID]


def take(locked: Tree, which: str, given: int | str) -> Taken:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_custom_plan")  # both tables may have been empty a moment ago
        cursor.execute(which, {"given": given, "tree": locked.pk, "size": locked.size})
        rows = cursor.fetchall()
    return Taken([bytes(digest) for _, digest, again in rows if again is None], [one for _, _, one in rows if one])
