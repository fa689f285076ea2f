"""The credentials of this checkout's cloud: made once, so that a restart does not lock its clients out."""

import secrets
from dataclasses import asdict, dataclass

from .files import read_json, write_json
from .paths import CloudPaths


@dataclass(frozen=True)
class Keys:
    api_key: str
    registry_password: str
    s3_access_key_id: str
    s3_secret_access_key: str
    runpod_s3_access_key_id: str
    runpod_s3_secret_access_key: str
    modal_token_id: str
    modal_token_secret: str


def load_keys(paths: CloudPaths) -> Keys:
    """The recorded keys, or new ones. A file that lacks one (an older version wrote it) keeps those it has."""
    fresh = Keys(
        api_key=f"local_{secrets.token_hex(20)}",
        registry_password=secrets.token_hex(20),
        s3_access_key_id=f"LOCAL{secrets.token_hex(8).upper()}",
        s3_secret_access_key=secrets.token_hex(20),
        runpod_s3_access_key_id=f"user_local{secrets.token_hex(11)}",
        runpod_s3_secret_access_key=f"rps_local{secrets.token_hex(20)}",
        modal_token_id=f"ak-{secrets.token_hex(11)}",
        modal_token_secret=f"as-{secrets.token_hex(11)}",
    )
    recorded = read_json(paths.keys)
    known = recorded if isinstance(recorded, dict) else {}
    merged = {name: str(known.get(name) or value) for name, value in asdict(fresh).items()}
    if merged != known:
        write_json(paths.keys, merged)
    return Keys(**merged)
