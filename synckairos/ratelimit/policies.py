"""Table of all rate limits: their names, what they count per, their environment variables and defaults."""

from __future__ import annotations

from functools import cache
from typing import Final

from msgspec import Struct

from synckairos.conf import Rate, conf


class Limit(Struct, frozen=True):
    """One rate limit of the table."""

    scope: str
    """Name in keys, metrics and header fields."""
    counted_per: str
    """Description of the person, address or session that one count is for."""
    setting: str
    """Environment variable that sets it: `<number>/s`, `/m`, `/h`, or `off`. Limits may share one."""
    default: str
    fails_open: bool = True
    """True when requests pass while the state store, and so the count, is away."""

    @property
    def rate(self) -> Rate | None:
        """The rate in force; None when the limit is off."""
        rate: Rate | None = getattr(conf(), conf_field(self.setting))
        return rate


@cache
def conf_field(setting: str) -> str:
    """Return the field of `Conf` with the value of an environment variable."""
    return setting.lower().replace("rate_limit_", "rate_")


GENERAL: Final = Limit("general", "a person", "RATE_LIMIT_GENERAL", "600/m")
ANONYMOUS: Final = Limit("anonymous", "an address, when the credentials are no good", "RATE_LIMIT_GENERAL", "600/m")
SERVICE: Final = Limit("service", "a service account, in the place of `general`", "RATE_LIMIT_SERVICE", "off")
SWITCH: Final = Limit("switch", "a session", "RATE_LIMIT_SWITCH", "10/s")  # counted by the commit script
CREATE: Final = Limit("create", "a person", "RATE_LIMIT_CREATE", "60/m")
CONNECT: Final = Limit("connect", "a person", "RATE_LIMIT_CONNECT", "120/m")
TOKEN_ADDRESS: Final = Limit("token-address", "an address", "RATE_LIMIT_TOKEN", "10/m", fails_open=False)
TOKEN_NAME: Final = Limit("token-name", "a name that logs in", "RATE_LIMIT_TOKEN", "10/m", fails_open=False)
REFRESH_NAME: Final = Limit("refresh-name", "a name that refreshes", "RATE_LIMIT_TOKEN", "10/m", fails_open=False)
FRAMES: Final = Limit("frames", "a socket, in its own process", "RATE_LIMIT_FRAMES", "50/s")

CATALOGUE: Final = tuple(limit for limit in globals().copy().values() if isinstance(limit, Limit))
SETTINGS: Final = {limit.setting: limit.default for limit in CATALOGUE}
"""Default values by environment variable."""
