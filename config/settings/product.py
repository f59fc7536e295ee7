"""The product's own settings, as the rooms see them (synckairos/conf.py)."""

from hashlib import sha256
from typing import Any

from config import environment
from synckairos.conf import Conf
from synckairos.ratelimit.policies import conf_field

_given: dict[str, Any] = {
    **{name.lower(): value for name, value in vars(environment).items() if name.lower() in Conf.__struct_fields__},
    **{conf_field(name): rate for name, rate in environment.RATES.items()},
}
SYNCKAIROS = Conf(
    **_given,
    address_key=sha256(b"addresses in the log:" + environment.SECRET_KEY.encode()).digest(),
    audit_key=sha256(b"devices in the audit:" + environment.SECRET_KEY.encode()).digest(),
)
