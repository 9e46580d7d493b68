"""The settings of an agent: defaults, then a TOML file, then ``GOUTUBE_*``, then flags."""

from goutube.config.fields import ENV_PREFIX, FIELDS, Setting
from goutube.config.load import Loaded, effective, load
from goutube.config.schema import Config
from goutube.config.values import NO_ADDRESS, decode_key, is_loopback, parse_age, split_address

__all__ = [
    "ENV_PREFIX",
    "FIELDS",
    "NO_ADDRESS",
    "Config",
    "Loaded",
    "Setting",
    "decode_key",
    "effective",
    "is_loopback",
    "load",
    "parse_age",
    "split_address",
]
