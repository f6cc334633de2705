"""Where runs are written down beside the project's own records."""

from dataclasses import dataclass
from pathlib import Path

from serving.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingConfig:
    """Where runs are written down beside the project's own records."""

    mlflow_uri: str = ""
    """Tracking server of MLflow, such as `http://mlflow.example:5000`; empty: none. Needs `pip install
    whycart[tracking]`."""
    experiment: str = "whycart"
    """Name of the experiment there; it is created when it is not there."""
    tensorboard: Path | None = None
    """Folder of event files for TensorBoard: losses, validation, step size and seconds of each training, live; None:
    there are none. Needs `pip install whycart[tracking]`."""

    def __post_init__(self) -> None:
        if self.mlflow_uri and not self.experiment.strip():
            raise ConfigError("[tracking] experiment must be a name, got an empty one")
