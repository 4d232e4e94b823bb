"""Every setting: its name, its default and its sentence. `RAGENTS_` before the name in capitals sets it."""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ragents_server.errors import ConfigurationError
from ragents_server.settings.admission import Admission
from ragents_server.settings.agents import Agents
from ragents_server.settings.batches import Batches
from ragents_server.settings.caching import Caching
from ragents_server.settings.documents import Documents
from ragents_server.settings.identity import Identity
from ragents_server.settings.limits import Limits
from ragents_server.settings.models import Models
from ragents_server.settings.serving import Serving
from ragents_server.settings.telemetry import Telemetry
from ragents_server.settings.tracing import Tracing

PREFIX = "RAGENTS_"
# Read by the command `ragents`, not by the server.
CLIENTS = frozenset({"RAGENTS_SERVER", "RAGENTS_TOKEN", "RAGENTS_CA", "RAGENTS_CLIENT_CERT", "RAGENTS_CLIENT_KEY"})


class Settings(
    Batches, Agents, Caching, Models, Documents, Limits, Admission, Identity, Telemetry, Tracing, Serving, BaseSettings
):
    """What the server is told by its environment; a secret may also come from a file named by NAME_FILE."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then NAME_FILE, then the environment."""
        del dotenv_settings, file_secret_settings
        return init_settings, _SecretFiles(settings_cls), env_settings


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads a secret from the file that RAGENTS_NAME_FILE names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The file's content without its last newline, None when there is no such variable."""
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        if not path or not is_secret(field):
            return None, field_name, False
        try:
            return Path(path).read_text().rstrip("\n"), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            name = f"{PREFIX}{field_name.upper()}_FILE"
            why = (isinstance(error, OSError) and error.strerror) or "it is not UTF-8"
            raise ConfigurationError(f"{name}: cannot read the file: {why}") from None

    def __call__(self) -> dict[str, Any]:
        """All secrets that come from files."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def is_secret(field: FieldInfo) -> bool:
    """Whether the setting's value must not be shown."""
    return "SecretStr" in str(field.annotation)


def secrets_of(settings: Settings) -> list[str]:
    """Whatever of the settings must not be shown: secrets, and the passwords of URLs among them."""
    fields = [name for name, field in Settings.model_fields.items() if is_secret(field)]
    secrets = [one.get_secret_value() for one in (getattr(settings, name) for name in fields) if one is not None]
    found = [re.match(r"[a-z+]+://[^@]*?:([^@]+)@", secret) for secret in secrets]
    return [*secrets, *(url[1] for url in found if url is not None)]


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process; ConfigurationError with one line that says what to change."""
    _refuse_unknown(environment)
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigurationError(f"{name}: {first['msg'].removeprefix('Value error, ')}") from None
    if settings.chunk_overlap * 2 > settings.chunk_size:
        raise ConfigurationError("RAGENTS_CHUNK_OVERLAP: must be at most half of RAGENTS_CHUNK_SIZE")
    return settings


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    fields = Settings.model_fields
    known = {PREFIX + name.upper() for name in fields}
    known |= {f"{PREFIX}{name.upper()}_FILE" for name, field in fields.items() if is_secret(field)}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known | CLIENTS:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
            raise ConfigurationError(f"{name}: there is no such setting; did you mean {nearest}?")
