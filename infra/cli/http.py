"""How a command reaches an endpoint: this machine's directly, the world's through the environment's proxy."""

import urllib.request
from urllib.parse import urlsplit


def is_local(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "localhost")


def opener(url: str) -> urllib.request.OpenerDirector:
    """A proxy of the environment is for the world outside, never for this machine."""
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if is_local(url) else []))
