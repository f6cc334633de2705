"""Settings of the encoder: what is refused, and that reading them costs nothing."""

import subprocess
import sys

import pytest

from encoders.config import EncoderConfig
from encoders.errors import EncoderConfigError


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"max_tokens": 3}, "max_tokens"),
        ({"max_tokens": 9000}, "max_tokens"),
        ({"batch_tokens": 0}, "batch_tokens"),
        ({"precision": "int4"}, "precision"),
        ({"device": "tpu"}, "device"),
        ({"model": " "}, "model"),
    ],
)
def test_a_setting_out_of_range_is_named(settings, word):
    with pytest.raises(EncoderConfigError, match=rf"\[encoder\] {word}"):
        EncoderConfig(**settings)


@pytest.mark.parametrize("module", ["encoders.config", "encoders.query", "encoders.text"])
def test_the_online_modules_load_no_torch(module):
    program = f"import sys, {module}; print([name for name in ('torch', 'transformers') if name in sys.modules])"

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"
