"""Which addresses the door may dial: public ones, and those of the networks that the installation lists."""

import ipaddress

from django.conf import settings

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
_UNICAST, _NAT64 = ipaddress.IPv6Network("2000::/3"), ipaddress.IPv6Network("64:ff9b::/96")
# What IANA's registries of special-purpose addresses hold, and Python's list of some versions lacks. The rest that it
# lacks, such as fec0::/10, 5f00::/16 and 64:ff9b:1::/48, is no global unicast: that is 2000::/3 alone (RFC 4291 §2.4).
_SPECIAL = [ipaddress.ip_network(net) for net in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")]


def is_allowed(address: str) -> bool:
    return all(_is_public(ip) or _is_listed(ip) for ip in _meant(address))


def is_listed(address: str) -> bool:
    return all(_is_listed(ip) for ip in _meant(address))


def _meant(address: str) -> list[IP]:
    """With the IPv4 address that a gateway makes of it: 6to4, and NAT64 under the prefix that all know (RFC 6052). A
    mapped one never leaves as IPv6."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        return [ip]
    if ip.ipv4_mapped:
        return [ip.ipv4_mapped]
    inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip.sixtofour
    return [ip, inner] if inner else [ip]


def _is_public(ip: IP) -> bool:
    if ip in _NAT64:
        return True
    unicast = ip in _UNICAST if ip.version == 6 else not ip.is_multicast
    return unicast and ip.is_global and not any(ip in network for network in _SPECIAL)


def _is_listed(ip: IP) -> bool:
    return any(ip in ipaddress.ip_network(network) for network in settings.ALLOWED_NETWORKS)
