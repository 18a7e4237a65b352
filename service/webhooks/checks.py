"""Settings of webhooks, checked before anything is sent."""

from __future__ import annotations

import ssl

from service.settings import PREFIX, Settings, SettingsError
from service.webhooks.addresses import Reach


def check_webhooks(settings: Settings) -> None:
    """Raise SettingsError where what is said of webhooks cannot be used."""
    Reach(settings.webhook_private)
    if settings.webhook_ca_file:
        verified_tls(settings.webhook_ca_file)
    if settings.public_url and not settings.public_url.startswith(("http://", "https://")):
        raise SettingsError(
            f"{PREFIX}PUBLIC_URL={settings.public_url!r} cannot be used: it is like"
            " https://wattledger.example.org"
        )


def verified_tls(ca_file: str) -> ssl.SSLContext:
    """TLS that trusts the certificates of a file, or the system's. Raises SettingsError."""
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise SettingsError(
            f"{PREFIX}WEBHOOK_CA_FILE={ca_file!r} cannot be read: {error}"
        ) from error
