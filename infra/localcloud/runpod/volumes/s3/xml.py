"""S3's XML, both ways."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

_NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def document(root: str, content: Mapping[str, Any], *, namespace: bool = True) -> bytes:
    """A list makes one element for each of its items, a mapping one with others in it, None none."""
    inside = "".join(_element(name, value) for name, value in content.items())
    start = f"{root}{_NAMESPACE if namespace else ''}"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{start}>{inside}</{root}>'.encode()


def parts_of(body: bytes) -> list[tuple[int, str]]:
    """Number and ETag of each part that a CompleteMultipartUpload names. ValueError where it is not one."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    found = []
    for part in root:
        if not part.tag.endswith("Part"):
            continue
        fields = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in part}
        found.append((int(fields.get("PartNumber", "")), fields.get("ETag", "").strip('"')))
    if not root.tag.endswith("CompleteMultipartUpload") or not found:
        raise ValueError("it names no parts")
    return found


def _element(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return f"<{name}>{''.join(_element(key, item) for key, item in value.items())}</{name}>"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "".join(_element(name, item) for item in value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text = escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text), {"\r": "&#13;"})
    return f"<{name}>{text}</{name}>"
