"""The page of calls: what was sent, how it ended, and nothing of what was in it."""

import re

from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.models import Call
from tests.pages.conftest import Enter
from tests.spine.conftest import World


def test_a_call_is_told_with_its_answer_and_leads_to_its_place_in_the_run(held: World, enter: Enter) -> None:
    theo = enter("theo")
    assert "Nothing was sent yet" in theo.get("/integrations/calls/made/").content.decode()
    held.sign(held.review(large=True))
    held.settle()
    call = Call.objects.get()
    page = " ".join(theo.get("/integrations/calls/made/").content.decode().split())
    assert f'<a href="/runs/{call.run}/?span={call.span_id}">' in page
    assert re.search(r'tag good">succeeded</span>.*<span>200</span>.*data-label="Attempts">1<', page)
    assert "re_" not in page  # ids of what was made belong to the review
    none = theo.get("/integrations/calls/made/?state=in_doubt").content.decode()
    assert "Nobody has to find out whether something happened." in none
    assert theo.get("/integrations/calls/made/?after=x").status_code == 422


def test_it_costs_the_same_however_many_there_are(held: World, enter: Enter) -> None:
    theo = enter("theo")
    held.sign(held.review(large=True))
    held.settle()
    theo.get("/integrations/calls/made/")
    with CaptureQueriesContext(connection) as one:
        theo.get("/integrations/calls/made/")
    held.sign(held.review(large=False))
    held.settle()
    with CaptureQueriesContext(connection) as two:
        theo.get("/integrations/calls/made/")
    assert (len(one), Call.objects.count()) == (len(two), 2)
