"""Posts what somebody should look at to an address of the shop's own, as JSON."""

import json
import logging
import urllib.request
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger(__name__)
_TIMEOUT_S = 10.0


def post(address: str, message: Mapping[str, Any]) -> bool:
    """Post a message, and return whether it was taken; what goes wrong is logged and stops nobody.

    Args:
        address: where to, with http:// or https://; empty: nowhere.
        message: plain values; `text` is what chat programs show.
    """
    if not address:
        return False
    body = json.dumps(message, default=str).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            return bool(200 <= answer.status < 300)
    except OSError as err:
        logger.warning("the webhook was not reached: %s", err)
        return False
