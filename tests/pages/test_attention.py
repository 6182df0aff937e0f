"""Credentials that somebody has to replace are told where all systems are listed."""

import datetime as dt

from console.accounts.models import Team
from console.core.clock import now
from examples.demo.people import acting
from integrations.attention import attention
from integrations.describe import revoke_credential, store_credential
from integrations.models import Credential, Integration
from integrations.refusals import IN_A_ROW
from tests.pages.conftest import Enter
from tests.pages.test_integration_pages import add, text

DAY = dt.timedelta(days=1)


def store(integration: Integration, name: str, ends: dt.timedelta | None = None) -> Credential:
    moment = now() + ends if ends else None
    return store_credential(integration, name=name, secret=f"sk_{name}", expires_at=moment, actor=acting("mira"))


def refuse(credential: Credential, times: int) -> None:
    Credential.objects.filter(pk=credential.pk).update(refusals=times, refused_at=now())


def test_the_worst_comes_first_and_what_is_well_does_not_come(office: Team, enter: Enter) -> None:
    integration = add(1)
    assert "Credentials to replace" not in text(enter("mira").get("/integrations/"))
    store(integration, "in a year", 365 * DAY)
    store(integration, "in nine days", 9 * DAY)
    store(integration, "in two days", 2 * DAY)
    store(integration, "over", -DAY)
    refuse(store(integration, "refused once"), 1)
    refuse(store(integration, "refused"), IN_A_ROW)
    revoke_credential(store(integration, "revoked", DAY), actor=acting("mira"))
    told = [(one.credential.name, one.why) for one in attention([integration])]
    assert told == [("refused", "refused"), ("over", "ended"), ("in two days", "ends"), ("in nine days", "ends")]
    assert attention([]) == []
    page = text(enter("ana").get("/integrations/"))
    assert 'Credentials to replace <span class="n">4</span>' in page
    assert page.index(">refused<") < page.index(">over<") < page.index(">in two days<")
