"""Which addresses we may call: public ones, and private ones only where the operator said so."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from yarl import URL

Network = IPv4Network | IPv6Network
# RFC 6890 and its kin: this host, private, shared, loopback, link-local (where clouds keep their metadata), protocol,
# documentation, relay, benchmark, multicast, reserved.
CLOSED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
OPEN_V6 = IPv6Network("2000::/3")  # all other space is local, mapped, translated or unassigned
CLOSED_V6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48")
)
CLOSED_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home.arpa", "localdomain")
PORTS = frozenset({80, 443, 8443})


class Refused(OSError):
    """A target we do not call."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What is allowed beyond the public internet: networks, and loopback where we ourselves listen only there."""

    private: tuple[Network, ...] = ()
    loopback: bool = False

    @classmethod
    def of(cls, cidrs: Sequence[str], loopback: bool) -> "Targets":
        """From the texts of settings (`10.1.0.0/16`)."""
        return cls(tuple(ip_network(text, strict=False) for text in cidrs), loopback)

    def open_to(self, text: str) -> bool:
        """Whether an address may be called."""
        return self.allowed_by_hand(text) or is_public(text)

    def allowed_by_hand(self, text: str) -> bool:
        """Whether an address is one the operator named, or loopback where that is open."""
        address = _address(text)
        if address is None:
            return False
        return (self.loopback and address.is_loopback) or any(
            address in network for network in self.private if network.version == address.version
        )

    def open_at(self, text: str, port: int) -> bool:
        """Whether an address may be called at this port."""
        return self.allowed_by_hand(text) or (port in PORTS and is_public(text))

    def check(self, url: URL) -> None:
        """Refuse, before any look-up, what no address could make right: scheme, name, port, a user in the URL."""
        host = (url.host or "").rstrip(".").lower()
        if url.scheme not in ("http", "https"):
            raise Refused(f"scheme {url.scheme or 'none'} is not http or https")
        if not host or url.user is not None or url.password is not None or "\\" in str(url):
            raise Refused("a URL without a host, or with a user in it")
        by_hand = self.allowed_by_hand(host) or (self.loopback and host == "localhost")
        if by_hand:
            return
        if any(host == name or host.endswith(f".{name}") for name in CLOSED_NAMES) and not self.private:
            raise Refused(f"{host} is a name of a private network")
        if _address(host) is not None and not is_public(host):
            raise Refused(f"{host} is not a public address")
        if url.port not in PORTS and not self.private:
            raise Refused(f"port {url.port} is not one of {', '.join(map(str, sorted(PORTS)))}")


def is_public(text: str) -> bool:
    """Whether an address is of the public internet."""
    address = _address(text)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in CLOSED_V4)
    return address is not None and address in OPEN_V6 and not any(address in network for network in CLOSED_V6)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address a text is, an IPv4 one in IPv6 clothes undressed; None for a name."""
    try:
        address = ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
