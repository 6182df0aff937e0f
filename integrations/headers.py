"""What HTTP lets a header be, which headers are not for callers, and which say nothing of what is asked for."""

import re

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")  # RFC 9110 §5.5, and ASCII alone
# Headers that say who sends, where to, how the message is framed, or what the console itself answers for.
OURS = frozenset({
    "accept-encoding", "authorization", "connection", "content-encoding", "content-length", "content-type", "cookie",
    "cookie2", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade", "user-agent", "via",
})  # fmt: skip
# Of the sender, of the way that it came, or for the console itself: whoever leaves these out has changed nothing.
_ASIDE = re.compile("|".join([
    r"accept(-[a-z-]+)?", r"sec-[a-z0-9-]+", r"countersign-[a-z0-9-]+", r"idempotency-key", r"cache-control", r"pragma",
    r"prefer", r"priority", r"date", r"dnt", r"from", r"origin", r"referer", r"save-data", r"upgrade-insecure-requests",
    r"max-forwards", r"x-requested-with", r"forwarded", r"x-forwarded-(for|host|port|prefix|proto|scheme|server)",
    r"cdn-loop", r"([a-z0-9]+-)+(client|connecting|real)-ip", r"x-(request|correlation)-id",
    r"traceparent", r"tracestate", r"baggage", r"b3", r"x-b3-(flags|parentspanid|sampled|spanid|traceid)",
    r"([a-z0-9]+-)+trace-(id|context)",
    # What a library says of itself and of the machine that it runs on.
    r"([a-z0-9]+-)+(user-agent|telemetry|api-client|client-(info|version)|sdk-(info|name|version))",
    r"x-[a-z0-9]+-(arch|async|lang|os|package-version|retry-count|runtime|runtime-version|(read-)?timeout)",
]))  # fmt: skip


def says_nothing(name: str) -> bool:
    """Whether a request asks for the same without this header. An encoding of its body does say something."""
    lower = name.lower()
    return lower in OURS - {"content-encoding"} or bool(_ASIDE.fullmatch(lower))
