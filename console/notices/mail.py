"""Letters: text and simple HTML, without anything that a mail program would fetch."""

import smtplib
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.template.loader import render_to_string

from console.notices.above import NotTaken
from console.notices.words import Told, letter

FINAL = 500  # an answer of the mail server from which on it will not change its mind (RFC 5321 §4.2.1)


def review_letter(told: Told, *, to: str, identity: str) -> EmailMultiAlternatives:
    """All letters about one review refer to a first one that nobody got, so that they are shown together."""
    made = _letter(told.subject, letter(told), to, identity)
    made.extra_headers["References"] = " ".join(f"<{one.review}@{_domain()}>" for one, _ in told.lines)
    made.attach_alternative(render_to_string("notices/mail.html", {"told": told}), "text/html")
    return made


def plain_letter(subject: str, text: str, *, to: str, identity: str) -> EmailMultiAlternatives:
    return _letter(subject, text, to, identity)


def _letter(subject: str, text: str, to: str, identity: str) -> EmailMultiAlternatives:
    headers = {"Message-ID": f"<{identity}@{_domain()}>", "Auto-Submitted": "auto-generated"}
    return EmailMultiAlternatives(subject, text, settings.MAIL_FROM, [to], headers=headers)


def _domain() -> str:
    """Of the console: the same letter has the same id, whichever machine sends it."""
    return urlsplit(settings.ORIGIN).hostname or "localhost"


def send_letter(made: EmailMultiAlternatives) -> None:
    """Raises NotTaken."""
    if not settings.MAIL_FROM:
        raise NotTaken("No mail server is set up.")
    made.connection = get_connection()
    try:
        made.send()
    except smtplib.SMTPRecipientsRefused as fault:
        codes = [code for code, _ in fault.recipients.values()]
        raise NotTaken(f"The mail server refused the address: {codes[0]}.", for_good=min(codes) >= FINAL) from None
    except smtplib.SMTPResponseException as fault:
        final = fault.smtp_code >= FINAL and not isinstance(fault, smtplib.SMTPAuthenticationError)
        raise NotTaken(f"The mail server answered {fault.smtp_code}.", for_good=final) from None
    except (smtplib.SMTPException, OSError) as fault:
        raise NotTaken(f"The mail server cannot be used: {type(fault).__name__}.") from None
