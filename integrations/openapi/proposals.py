"""What an operation probably does. Proposals for a person to confirm: names lie, so doubt counts as the worse case."""

from collections.abc import Iterable
from typing import NamedTuple


def _of(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DESTROYING = _of("""
    archive cancel close deactivate delete destroy drop erase kill purge remove reset revoke terminate truncate
    uninstall unpublish wipe
""")
_CHANGING = _of("""
    add approve assign attach change charge create detach disable edit enable execute grant import insert invite merge
    modify move patch pay post publish put refund register reject replace restart rotate run save send set start stop
    submit sync transfer trigger update upload write
""")
_LOOKING = _of("""
    calculate check count describe download estimate export fetch find get list lookup preview query read retrieve
    search show validate verify view
""")
_CATEGORIES = {
    "financial": _of("""
        balance balances bank billing card cards charge charges checkout coupon coupons credit credits debit dispute
        fund funds invoice invoices loan loans order orders pay payment payments payout payouts payroll price prices
        purchase purchases quote quotes refund refunds subscription subscriptions tax transfer transfers wallet
    """),
    "legal": _of("""
        agreement agreements compliance consent consents contract contracts dpa envelope envelopes legal license
        licenses signature signatures
    """),
    "security": _of("""
        access acl admin admins auth authorization certificate certificates credential credentials firewall group groups
        iam identity key keys login member members mfa oauth owner owners password passwords permission permissions
        policies policy role roles scope secret secrets session sessions sso token tokens user users webhook webhooks
    """),
    "personal_data": _of("""
        address addresses candidate candidates contact contacts customer customers employee employees guest guests lead
        leads patient patients people person profile profiles student students subscriber subscribers
    """),
    "external_message": _of("""
        call calls campaign campaigns chat chats comment comments email emails fax invitation invitations invite mail
        mails message messages newsletter notification notifications post posts reply sms tweet tweets
    """),
    "code_change": _of("""
        artifact artifacts branch branches build builds commit commits deploy deployment deployments function functions
        merge merges pipeline pipelines pull pulls ref refs release releases repo repos repositories repository script
        scripts tag tags workflow workflows
    """),
}
_MEANING = {word: category for category, known in _CATEGORIES.items() for word in known}


class Proposal(NamedTuple):
    effect: str
    categories: list[str]
    doubt: str  # what a person should look at; "" where method and name agree


def propose(method: str, name: Iterable[str], about: Iterable[str]) -> Proposal:
    """`name` are the words of the operation's own name, `about` those of its path and tags. A read is proposed only
    for GET, HEAD and OPTIONS."""
    own = list(name)
    doing = next((word for word in own if word in _DESTROYING | _CHANGING | _LOOKING), "")
    categories = sorted({_MEANING[word] for word in (*own, *about) if word in _MEANING}) or ["other"]
    if method in ("GET", "HEAD", "OPTIONS"):
        if doing in _DESTROYING | _CHANGING:
            effect = "destructive" if doing in _DESTROYING else "write"
            return Proposal(effect, categories, f"{method} that seems to {doing}")
        return Proposal("read", categories, "")
    if method == "DELETE" or doing in _DESTROYING:
        return Proposal("destructive", categories, "")
    return Proposal("write", categories, f"{method} that may only {doing}" if doing in _LOOKING else "")
