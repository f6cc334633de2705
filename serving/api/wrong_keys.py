"""How many wrong keys come from one address, and an end to it.

What makes a key safe is its length: nobody comes upon 256 random bits, however often he may try. So a good key is
answered whatever else its address sends, as many that have nothing to do with each other may stand behind one address.
"""

import ipaddress
import logging
import time

from serving.api.rate import Rate
from serving.errors import TooManyRequests

logger = logging.getLogger(__name__)
_SAY_EVERY_S = 60.0
_NETWORK_BITS = 64
"""Of an IPv6 address: what one customer of a provider has at least, who may take any address in it."""


class WrongKeys:
    """Counts them; one instance a process."""

    def __init__(self, per_minute: int) -> None:
        """Let so many through from one address in a minute; 0: as many as come."""
        self._rate = Rate(per_minute)
        self._said_at = float("-inf")

    def count(self, address: str | None) -> None:
        """Count a wrong key.

        Args:
            address: where it came from; None: nobody knows, and all such count together.

        Raises:
            TooManyRequests: it is one too many.
        """
        wait_s = self._rate.hit(_place_of(address))
        if wait_s is None:
            return
        if time.monotonic() - self._said_at >= _SAY_EVERY_S:
            self._said_at = time.monotonic()
            logger.warning("wrong keys are tried", extra={"per_minute": self._rate.per_minute})
        raise TooManyRequests(
            f"more than {self._rate.per_minute} wrong keys came from this address in a minute; ask again in {wait_s} s "
            "or with a good one",
            wait_s=wait_s,
        )


def _place_of(address: str | None) -> str:
    """What is counted together: an address, of IPv6 the network that it is in."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:  # a socket of the file system has none
        return address or ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), _NETWORK_BITS), strict=False))
