"""What a page does when its connection is cut, and what it makes of text that means harm."""

import re
from contextlib import suppress

import pytest
from django.db import connection
from playwright.sync_api import Error, Page, Request, Route, WebSocketRoute, expect

from approvals.signoff import BySession, signoff
from examples.demo.people import acting
from tests.browser.conftest import Enter
from tests.browser.office import LARGE, Office
from tests.stack import wait_until

pytestmark = pytest.mark.browser

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> invoice_\u202efdp.exe for p\u0430ypal"


class Line:
    """Between a page and the console's websocket, to be cut and mended."""

    def __init__(self, page: Page) -> None:
        self.sockets, self.mended = list[WebSocketRoute](), True
        page.route_web_socket(re.compile("/live/"), self.open)

    def open(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        if self.mended:
            socket.connect_to_server()
        else:
            socket.close()

    def cut(self) -> None:
        self.mended = False
        for socket in self.sockets:
            socket.close()


def test_piece_that_comes_while_the_page_is_left_leads_nowhere_else(office: Office, enter: Enter) -> None:
    """Asked for with a session that has just ended, it is answered by the way to the sign-in page."""
    ana, pieces, ways = enter("ana"), list[Route](), list[Route]()
    ana.page.route("**/rail", lambda route: pieces.append(route))
    ana.page.route("**/demo/persona/", lambda route: ways.append(route))
    with ana.page.expect_request("**/rail"):
        ana.page.goto("/account/")
    ana.page.locator(".personas > summary").click()
    with ana.page.expect_request("**/demo/persona/"):
        ana.page.get_by_role("button", name="Mira Okafor").click(no_wait_after=True)
    with ana.page.expect_response("**/rail"):
        pieces[0].fulfill(status=200, headers={"HX-Redirect": "/sign-in/?next=/account/"})
    ana.page.wait_for_timeout(200)  # in which it would be on its way
    ways[0].continue_()
    expect(ana.page).to_have_url(re.compile("/integrations/"))


def test_link_that_is_pressed_while_its_list_comes_anew_is_followed(office: Office, enter: Enter) -> None:
    run = office.begin()
    ana, large, lists, held = enter("ana"), office.review(run, LARGE), list[Route](), [True]

    def is_list(one: Request) -> bool:
        return one.headers.get("hx-target") == "queue" and large.id in one.headers["hx-current-url"]

    def hold(route: Route) -> None:
        if held[0] and is_list(route.request):
            lists.append(route)
        else:
            route.continue_()

    ana.page.route("**/reviews/", hold)
    with ana.page.expect_request(is_list):
        ana.go(large)
    ana.page.locator(".item").filter(has_text="€42.00").hover()
    ana.page.mouse.down()
    with ana.page.expect_response(lambda one: is_list(one.request)):
        held[0] = False
        for one in lists:  # a list that was asked for again is waited for by nobody
            with suppress(Error):
                one.continue_()
    ana.page.wait_for_timeout(200)  # in which it would be replaced
    ana.page.mouse.up()
    expect(ana.page.locator("#main h1")).to_contain_text("€42.00")


def test_page_catches_up_after_its_connection_was_cut(office: Office, enter: Enter) -> None:
    run = office.begin()
    jonas = enter("jonas", polls=False)
    line = Line(jonas.page)
    jonas.page.goto(f"/runs/{run.id}/")
    waiting = jonas.page.locator("#picture .span[data-surface=human] rect.open")
    expect(waiting).to_have_count(2)
    sign = jonas.page.get_by_text("Not live, reconnecting")
    expect(sign).to_be_hidden()
    line.cut()
    expect(sign).to_be_visible()
    signoff(office.review(run, LARGE).id, verdict="refuse", reason="No.", proof=BySession(), actor=acting("ana"))
    wait_until(lambda: office.records(run.id, "runs:step:failed"), "the run goes on without the page")
    expect(waiting).to_have_count(2)
    before = len(line.sockets)
    line.mended = True
    expect(jonas.page.get_by_text("refused by Ana Ferreira")).to_be_visible()
    expect(sign).to_be_hidden()
    assert len(line.sockets) > before


def test_page_hears_of_what_changed_between_its_rendering_and_its_first_subscription(
    office: Office, enter: Enter
) -> None:
    run = office.begin()
    jonas = enter("jonas", polls=False)

    def late(socket: WebSocketRoute) -> None:
        signoff(office.review(run, LARGE).id, verdict="refuse", reason="No.", proof=BySession(), actor=acting("ana"))
        wait_until(lambda: office.records(run.id, "runs:step:failed"), "the run goes on before the page hears of it")
        connection.close()  # this handler's own: it runs in a greenlet
        socket.connect_to_server()

    jonas.page.route_web_socket(re.compile("/live/"), late)
    jonas.page.goto(f"/runs/{run.id}/")
    expect(jonas.page.get_by_text("refused by Ana Ferreira")).to_be_visible()


def test_news_moves_neither_the_focus_nor_what_was_chosen_meanwhile(office: Office, enter: Enter) -> None:
    office.begin()
    ana, held = enter("ana"), list[Route]()
    queue = re.compile(r"/reviews/$")
    ana.page.goto("/reviews/")
    title, chosen = ana.page.locator("#main h1"), ana.page.locator(".item[aria-current]")
    expect(title).to_contain_text("Refund")
    second = "€42.00" if "€480.00" in title.inner_text() else "€480.00"

    ana.page.route(
        queue, lambda route: held.append(route) if "hx-request" in route.request.headers else route.continue_()
    )
    ana.evaluate("htmx.trigger('#queue', 'live')")
    ana.page.wait_for_function("() => document.querySelector('#queue').matches('.htmx-request')")
    ana.press("j")
    expect(title).to_contain_text(second)
    ana.evaluate(SWAPPED)
    for route in held:
        route.continue_()
    ana.page.wait_for_function("() => swapped.includes('queue')")
    expect(chosen).to_contain_text(second)

    link = ana.page.locator(".rooms > a", has_text="Runs")
    link.focus()
    ana.evaluate("swapped = []")
    ana.evaluate("htmx.trigger('.rooms', 'live')")
    ana.page.wait_for_function("() => swapped.includes('rooms')")
    expect(link).to_be_focused()


SWAPPED = """window.swapped = []
document.addEventListener("htmx:afterSettle", ({ detail }) => swapped.push(detail.target.classList[0]))"""


def test_hostile_text_is_shown_as_what_it_is_and_does_nothing(office: Office, enter: Enter) -> None:
    office.describe_charge(HOSTILE)
    run = office.begin()
    review, window = office.review(run, LARGE), enter()
    for who, address in (("ana", f"/reviews/{review.id}/"), ("jonas", f"/runs/{run.id}/"), ("jonas", "/runs/"),
                         ("theo", f"/audit/?run={run.id}"), ("mira", f"/reviews/{review.id}/")):  # fmt: skip
        window.become(who).page.goto(address)
        window.evaluate("document.querySelectorAll('main details').forEach((folded) => { folded.open = true })")
        assert window.page.locator("main script, main img, aside script, aside img").count() == 0
        assert "\u202e" not in window.page.inner_text("body")
    sheet = window.become("ana").go(review).locator("#main")
    expect(sheet).to_contain_text("<script>alert(1)</script>")
    for chip in ("U+202E", "Cyrillic+Latin"):
        expect(sheet.locator(".diff .chip").filter(has_text=chip).first).to_be_visible()
