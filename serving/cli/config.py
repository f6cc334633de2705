"""`whycart config`: the settings in use, and an example file with every setting."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from encoders.config import EncoderConfig
from gnn.config import FuseConfig, KernelConfig, LearnConfig, ModelConfig, TrainConfig
from kg.operators import OperatorConfig
from kg.store import GraphConfig
from serving.alert_config import AlertConfig
from serving.audit_config import AuditConfig
from serving.cli.output import print_json, print_table
from serving.example import write_example
from serving.gate.config import GateConfig
from serving.job_config import JobConfig
from serving.privacy_config import PrivacyConfig
from serving.publish_config import PublishConfig
from serving.reason_config import ReasonConfig
from serving.sections import keys_of
from serving.settings import HOME_NAME, ServeConfig, load_settings
from serving.slots import ListsConfig
from serving.tracing_config import TracingConfig
from serving.tracking_config import TrackingConfig

CONFIGS: Mapping[str, type] = {
    "graph": GraphConfig,
    "encoder": EncoderConfig,
    "operators": OperatorConfig,
    "kernels": KernelConfig,
    "model": ModelConfig,
    "train": TrainConfig,
    "fuse": FuseConfig,
    "learn": LearnConfig,
    "gate": GateConfig,
    "job": JobConfig,
    "publish": PublishConfig,
    "alerts": AlertConfig,
    "tracking": TrackingConfig,
    "tracing": TracingConfig,
    "serve": ServeConfig,
    "reasons": ReasonConfig,
    "audit": AuditConfig,
    "lists": ListsConfig,
    "privacy": PrivacyConfig,
}
"""Config dataclass of every section, in the order of the example file."""
DEFAULTS: Mapping[str, Mapping[str, object]] = {"graph": {"folder": f"{HOME_NAME}/graph"}}
_SECRET_WORDS = ("password", "secret", "token")

app = typer.Typer(no_args_is_help=True, help="Show the settings in use, or an example file with every setting.")


@app.command()
def example() -> None:
    """Print a whycart.toml with every setting, its meaning and its default.

    Example: whycart config example > whycart.toml
    """
    sys.stdout.write(write_example(CONFIGS, defaults=DEFAULTS))


@app.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the settings in use; secrets are not shown.

    Example: whycart config show --json
    """
    settings = load_settings()
    values: dict[str, object] = {"file": settings.source.file, "home": settings.home}
    configs = {"graph": settings.graph} | {
        name: settings.section(name, config_class) for name, config_class in CONFIGS.items() if name != "graph"
    }
    for section, config in configs.items():
        for field in keys_of(type(config)):
            values[f"{section}.{field.name}"] = _shown(field.name, getattr(config, field.name))
    if as_json:
        print_json(values)
    else:
        print_table(("setting", "value"), values.items())


def _shown(name: str, value: object) -> object:
    if value is not None and any(word in name for word in _SECRET_WORDS):
        return "(set)"
    return str(value) if isinstance(value, Path) else value
