"""Holds what the bot sent against Discord's own OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

SNOWFLAKE = 2**40
"""Whole numbers from here on are ids: discord.py sends some as numbers, which Discord takes."""


class Document:
    """Discord's document, with its request bodies found by method and path."""

    def __init__(self, path: Path) -> None:
        contents = json.loads(path.read_text("utf-8"))
        resource = Resource.from_contents(contents, default_specification=DRAFT202012)
        self._registry = Registry().with_resource("urn:discord", resource)
        self._paths = {re.sub(r"{\w+}", "{}", path): path for path in contents["paths"]}
        self._contents = contents

    def complaints(self, sent: Iterable[tuple[str, str, Any]]) -> list[str]:
        """Return the errors of each body; requests that take no body are left out."""
        found = []
        for method, path, body in sent:
            name = self._path(path)
            operation = self._contents["paths"].get(name, {}).get(method, {})
            if "requestBody" not in operation:
                continue
            pointer = name.replace("~", "~0").replace("/", "~1")
            schema = f"/paths/{pointer}/{method}/requestBody/content/application~1json/schema"
            validator = Draft202012Validator(
                {"$ref": f"urn:discord#{schema}"}, registry=self._registry
            )
            found += [
                f"{method} {name}: {error.json_path}: {error.message[:300]}"
                for error in validator.iter_errors(_as_documented(body))
            ]
        return found

    def _path(self, path: str) -> str:
        known: str | None = self._paths.get(re.sub(r"{\w+}", "{}", path))
        if known is None:
            raise LookupError(f"Discord's document has no {path}")
        return known


def _as_documented(value: Any, within: str = "") -> Any:
    """Write ids as text and leave empty component ids out, as the document has them."""
    if isinstance(value, dict):
        return {
            key: str(inner)
            if (within, key) == ("attachments", "id")
            else _as_documented(inner, key)
            for key, inner in value.items()
            if not (key == "id" and inner is None)
        }
    if isinstance(value, list):
        return [_as_documented(inner, within) for inner in value]
    return str(value) if type(value) is int and value >= SNOWFLAKE else value
