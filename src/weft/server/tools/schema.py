"""Make pydantic's JSON schemas small and portable.

Several MCP clients choke on ``anyOf``, ``$ref``, type arrays and null defaults, and every character
of a schema costs tokens.
"""

from collections.abc import Mapping
from typing import Any, cast

Schema = dict[str, Any]

_NOISE = frozenset({"title", "$defs", "x-brief"})
_REF_PREFIX = "#/$defs/"
BRIEF: Schema = {"x-brief": True}
"""Marks an object of which clients see only the description, as that tells of its fields."""
_GENEROUS_CHARS = 256
"""A longest length from here on is not worth its tokens, and neither is a shortest one of 1."""


def compact(schema: Mapping[str, Any], *, closed: bool, brief: bool = True) -> Schema:
    """Return the schema without titles, references, null variants, null defaults and docstring.

    ``closed`` keeps ``additionalProperties: false`` and adds it at the root; open schemas omit it,
    because open is the default of JSON Schema. ``brief`` leaves out the fields of objects that are
    marked with BRIEF.
    """
    definitions = cast("Mapping[str, Schema]", schema.get("$defs", {}))
    small = _node(schema, definitions, closed=closed, brief=brief)
    small.pop("description", None)
    if closed:
        small["additionalProperties"] = False
    return small


def _node(
    node: Mapping[str, Any], definitions: Mapping[str, Schema], *, closed: bool, brief: bool
) -> Schema:
    merged = _without_null(_resolve(node, definitions), definitions)
    if merged.keys() & BRIEF and brief:
        merged = {key: merged[key] for key in ("type", "description")}
    result: Schema = {}
    for key, value in merged.items():
        if key in _NOISE or (key == "default" and value is None):
            continue
        if (key == "maxLength" and value >= _GENEROUS_CHARS) or (key, value) == ("minLength", 1):
            continue
        if key == "additionalProperties":
            if closed and value is False:
                result[key] = False
        elif key == "properties":
            result[key] = {
                name: _node(child, definitions, closed=closed, brief=brief)
                for name, child in value.items()
            }
        elif key == "items":
            result[key] = _node(value, definitions, closed=closed, brief=brief)
        else:
            result[key] = value
    return result


def _resolve(node: Mapping[str, Any], definitions: Mapping[str, Schema]) -> Schema:
    reference = node.get("$ref")
    if reference is None:
        return dict(node)
    target = definitions[str(reference).removeprefix(_REF_PREFIX)]
    # The docstring of a model or enum is for readers of the code, not for the caller of a tool.
    inherited = {key: value for key, value in target.items() if key != "description"}
    return {**inherited, **{key: value for key, value in node.items() if key != "$ref"}}


def _without_null(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    variants = cast("list[Schema] | None", node.get("anyOf"))
    if variants is None:
        return node
    kept = [variant for variant in variants if variant.get("type") != "null"]
    if len(kept) != 1:
        raise ValueError("a schema with alternatives is not portable: give it one type")
    outer = {key: value for key, value in node.items() if key != "anyOf"}
    return {**_resolve(kept[0], definitions), **outer}
