"""One opened text model for all tests of a process: opening it is the slow part."""

from functools import cache

from encoders.config import EncoderConfig
from encoders.encode import TextEncoder


@cache
def text_encoder() -> TextEncoder:
    """Return the default model in fp32 on the CPU."""
    return TextEncoder.open(EncoderConfig(precision="fp32", device="cpu"))
