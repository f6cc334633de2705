"""Where settings come from: the only module that reads `whycart.toml` and the environment.

Flag > environment > file > default. Each part owns a frozen dataclass next to its code; sections that only some
commands need (`encoder`, `train`, ...) are read by those commands with `Settings.section`, so that reading settings
loads no learning library. This module does not log, print or create folders.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from kg.declared_checks import ColumnCheck, read_checks
from kg.merge_rule import MergeRule, read_merge_rule
from kg.privacy import Secret, read_or_make_secret, read_secret
from kg.schema import GraphSchema, declare
from kg.store import GraphConfig
from serving.errors import ConfigError
from serving.privacy_config import SECRET_NAME, PrivacyConfig
from serving.saved_filters import SavedFilters, read_saved_filters
from serving.sections import Source, read_section, reject_unknown

if TYPE_CHECKING:
    from kg.veil import Veil

Config = TypeVar("Config")
FILE_NAME = "whycart.toml"
HOME_NAME = ".whycart"
_OF_FOLDERS = ("input", "checks", "merge")
"""Tables of `whycart.toml` that `kg` reads, of a project as of an input folder."""
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?")
_SHOP = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
SECTIONS = (
    *(
        "graph",
        "events",
        "encoder",
        "operators",
        "kernels",
        "model",
        "train",
        "fuse",
        "learn",
        "gate",
        "job",
        "publish",
        "alerts",
        "tracking",
        "tracing",
        "serve",
        "reasons",
        "audit",
        "lists",
        "privacy",
    ),
)
"""Tables that `whycart.toml` may hold; `serving.cli.config` names the dataclass of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """How the HTTP API listens."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8000
    """TCP port, 0 to 65535; 0 takes any free one."""
    workers: int = 1
    """API processes that share the port; at least 1."""
    per_minute: int = 0
    """Most requests that one key may send one process in a minute; 0: as many as it likes."""
    wrong_keys_per_minute: int = 30
    """Most wrong keys that one address may send one process in a minute before it has to wait; 0: as many as come."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies whose `X-Forwarded-For` says where a request came from; empty: none."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages a browser lets ask, such as `https://shop.example`; empty: none."""
    tls_cert: Path | None = None
    """File with the certificate, for HTTPS; goes with `tls_key`."""
    tls_key: Path | None = None
    """File with the private key of the certificate."""
    shops: Mapping[str, Path] = field(default_factory=dict)
    """Folder of each shop by its name, where one API serves several; empty: it serves the project itself."""

    def __post_init__(self) -> None:
        if (wrong := next((name for name in self.shops if not _SHOP.fullmatch(name)), None)) is not None:
            raise ConfigError(
                f"[serve] shops: {wrong[:100]!r} cannot be the name of a shop; take small letters, digits, - and _, "
                "63 at most, a letter or digit first"
            )
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"[serve] port must be between 0 and 65535, got {self.port}")
        if self.workers < 1:
            raise ConfigError(f"[serve] workers must be at least 1, got {self.workers}")
        for name in ("per_minute", "wrong_keys_per_minute"):
            if getattr(self, name) < 0:
                raise ConfigError(f"[serve] {name} must be 0 or more, got {getattr(self, name)}")
        _check_proxies(self.trusted_proxies)
        _check_origins(self.cors_origins)
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("[serve] tls_cert and tls_key go together; give both or neither")
        for file in (self.tls_cert, self.tls_key):
            if file is not None and not file.is_file():
                raise ConfigError(f"[serve] {file}: no such file; tls_cert and tls_key name PEM files")


def _check_proxies(proxies: tuple[str, ...]) -> None:
    for proxy in proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as err:
            raise ConfigError(
                f"[serve] trusted_proxies: {proxy!r} is neither an address nor a network; write each by itself, as in "
                "'10.0.0.7' or '10.0.0.0/8' (no name, no *)"
            ) from err


def _check_origins(origins: tuple[str, ...]) -> None:
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ConfigError(
                f"[serve] cors_origins: {origin!r} is no origin; write scheme, host and port as in "
                "'https://shop.example' or 'http://localhost:3000', without a path, and each by itself (no *)"
            )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything one process of a project was told."""

    home: Path
    """The project's working folder; holds everything Whycart writes. It may not exist yet."""
    schema: GraphSchema
    """Node, relation and event kinds, the declared ones included."""
    graph: GraphConfig
    """The graph server in use."""
    serve: ServeConfig
    """How the HTTP API listens."""
    source: Source
    """File and environment, for the sections that are read on demand."""

    @property
    def snapshots(self) -> Path:
        """Folder of the snapshots."""
        return self.home / "snapshots"

    @property
    def cache(self) -> Path:
        """Folder of what can be computed again, such as text vectors."""
        return self.home / "cache"

    @property
    def bundles(self) -> Path:
        """Folder of the bundles and of the pointer to the one served."""
        return self.home / "bundles"

    @property
    def work(self) -> Path:
        """Folder in which a retraining keeps what it finished, until it ends."""
        return self.home / "work"

    @property
    def training(self) -> Path:
        """Folder in which `whycart train` and `evaluate` keep the state of a training, until they end."""
        return self.home / "training"

    @property
    def state(self) -> Path:
        """File of the operational state (events received, runs)."""
        return self.home / "state.db"

    def checks(self) -> tuple[ColumnCheck, ...]:
        """Return what the project asks of columns of its data.

        Raises:
            SchemaError: something wrong is declared.
        """
        return read_checks(self.source.tables, self.schema, where=FILE_NAME)

    def saved_filters(self) -> SavedFilters:
        """Return the filters that the project calls by name.

        Raises:
            ConfigError: one of them cannot be read.
        """
        return read_saved_filters(self.source.tables, where=FILE_NAME)

    def merge_rule(self) -> MergeRule | None:
        """Return when two products are one, as the project has it; None where it says nothing of that.

        Raises:
            SchemaError: something wrong is declared.
        """
        return read_merge_rule(self.source.tables, where=FILE_NAME)

    @property
    def last_import(self) -> Path:
        """File that says how the last import was spread; it may not be there yet."""
        return self.home / "last-import.json"

    @property
    def privacy(self) -> PrivacyConfig:
        """What of people goes into the graph."""
        return self.section("privacy", PrivacyConfig)

    @property
    def secret_file(self) -> Path:
        """File of the shop's secret; it may not be there yet."""
        return self.privacy.key_file or self.home / SECRET_NAME

    def secret(self) -> Secret | None:
        """Return the shop's secret; None where it was never needed.

        Raises:
            PrivacyError: it cannot be read.
        """
        if self.privacy.pseudonymise:
            return read_or_make_secret(self.secret_file)
        return read_secret(self.secret_file)

    def veil(self) -> "Veil | None":
        """Return what an import hides of people; None: nothing."""
        wanted = self.privacy
        if not (wanted.pseudonymise or wanted.scrub):
            return None
        from kg.veil import Veil  # brings libraries that only an import needs

        secret = self.secret() if wanted.pseudonymise else None
        return Veil(secret=secret, scrub=wanted.scrub, phone_region=wanted.phone_region)

    def user(self, user_id: str) -> str:
        """Return what the graph knows a user by: the id, or its pseudonym where users have such."""
        secret = self.secret() if self.privacy.pseudonymise else None
        return user_id if secret is None else secret.pseudonym(user_id)

    def section(
        self,
        name: str,
        config_class: type[Config],
        *,
        flags: Mapping[str, object] | None = None,
        parts: Mapping[str, object] | None = None,
    ) -> Config:
        """Return the config of a section that only some commands need.

        Args:
            name: one of SECTIONS.
            config_class: frozen dataclass whose fields are the keys of the section.
            flags: values of the command line by key; None as a value means the flag was not given.
            parts: configs that the dataclass holds, each read from a section of its own.

        Raises:
            ConfigError: an unknown key (the nearest one is offered), or a value of the wrong type.
            ValueError: no such section.
        """
        if name not in SECTIONS:
            raise ValueError(f"{name!r} is not in serving.settings.SECTIONS")
        return read_section(self.source, config_class, section=name, flags=flags, defaults=parts)


def load_settings(
    *,
    flags: Mapping[str, Mapping[str, object]] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Read `whycart.toml` (of the folder or the nearest one above it) and the environment.

    Args:
        flags: values of the command line by section and key, such as `{"serve": {"port": 9000}}`.
        environment: variables to look at; None: those of this process.
        folder: where the search for the file starts; None: the current folder.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value is of the wrong type.
        SchemaError: a declared node kind, relation or event type is wrong.
    """
    variables = dict(os.environ if environment is None else environment)
    source = _read_source(variables, (folder or Path.cwd()).absolute())
    given = flags or {}
    home = _home(source)
    return Settings(
        home=home,
        schema=declare(GraphSchema(), source.tables, where=FILE_NAME),
        graph=read_section(
            source,
            GraphConfig,
            section="graph",
            flags=given.get("graph"),
            defaults={"folder": home / "graph"},
            ignore=("nodes", "relations"),
        ),
        serve=read_section(source, ServeConfig, section="serve", flags=given.get("serve")),
        source=source,
    )


def _read_source(environment: Mapping[str, str], start: Path) -> Source:
    file = _find_file(environment, start)
    if file is None:
        return Source(None, {}, environment, start)
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(f"{file}: cannot be read ({err.strerror}); WHYCART_CONFIG names another file") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(f"{file}: not a TOML file: {err}") from err
    reject_unknown(list(tables), ("home", "filters", *_OF_FOLDERS, *SECTIONS), where=file.name)
    return Source(file, tables, environment, file.absolute().parent)


def _find_file(environment: Mapping[str, str], start: Path) -> Path | None:
    if named := environment.get("WHYCART_CONFIG"):
        return start / Path(named).expanduser()
    return next((folder / FILE_NAME for folder in (start, *start.parents) if (folder / FILE_NAME).is_file()), None)


def _home(source: Source) -> Path:
    if named := source.environment.get("WHYCART_HOME"):
        return Path(named).expanduser().absolute()
    named = source.tables.get("home", HOME_NAME)
    if not isinstance(named, str):
        raise ConfigError(f"{FILE_NAME}: home must be a path, got {named!r}")
    return source.folder / Path(named).expanduser()
