"""What HTTP lets a header be, and which headers are not for callers."""

import re

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")  # RFC 9110 §5.5, and ASCII alone
# Headers that say who sends, where to, how the message is framed, or what the console itself answers for.
OURS = frozenset({
    "accept-encoding", "authorization", "connection", "content-encoding", "content-length", "content-type", "cookie",
    "cookie2", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade", "user-agent", "via",
})  # fmt: skip
