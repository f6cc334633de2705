"""Everything a retraining is told."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from encoders.config import EncoderConfig
from gnn.config import LearnConfig
from gnn.split import SplitName
from serving.alert_config import AlertConfig
from serving.gate.config import GateConfig
from serving.job_config import JobConfig
from serving.publish_config import PublishConfig
from serving.reason_config import ReasonConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainConfig:
    """Everything a retraining was told."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """How text becomes vectors."""
    learn: LearnConfig = field(default_factory=LearnConfig)
    """How the model is learned."""
    gate: GateConfig = field(default_factory=GateConfig)
    """What a model must reach to be published."""
    reasons: ReasonConfig = field(default_factory=ReasonConfig)
    """What reasons may say."""
    alerts: AlertConfig = field(default_factory=AlertConfig)
    """When somebody should look at what users do."""
    job: JobConfig = field(default_factory=JobConfig)
    """How often all of it is done, and what it may take."""
    publish: PublishConfig = field(default_factory=PublishConfig)
    """Who sees a new model first."""
    incremental: bool = False
    """Whether the decisions of the live model are taken over where they still hold."""
    split: SplitName | None = None
    """How to split for tuning and measuring; None: by time where there are times."""
    cutoff: datetime | None = None
    """Learn only from what was before; None: from everything."""


def describe(config: RetrainConfig) -> dict[str, Any]:
    """Return the settings as plain values, all but how often the state of a training is written."""
    plain: dict[str, Any] = asdict(config)
    del plain["learn"]["train"]["checkpoint_minutes"]  # which nothing follows from
    return plain
