"""A shape as JSON Schema, for editors that complete and check as one types."""

from typing import Any

from dangol.shapes import Either, Fields, ListOf, MapOf, Named, OneOf, Scalar, Shape


def schema_of(shape: Shape, definitions: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a shape; named shapes go into `definitions`, once each."""
    match shape:
        case Scalar(what, schema, _):
            return {**schema, "description": what}
        case ListOf(of, at_least):
            more = {"minItems": at_least} if at_least else {}
            return {"type": "array", "items": schema_of(of, definitions), **more}
        case MapOf(of):
            return {"type": "object", "additionalProperties": schema_of(of, definitions)}
        case Fields():
            return _schema_of_fields(shape, definitions)
        case OneOf(what, words, _):
            parts = [
                {**_schema_of_fields(part, definitions), "required": [word, *part.needs]}
                for word, part in words.items()
            ]
            return {"description": what, "oneOf": parts}
        case Either(scalar, items, a_map):
            options = [schema_of(option, definitions) for option in (scalar, items, a_map) if option is not None]
            return {"anyOf": options}
        case Named(name, get):
            if name not in definitions:
                definitions[name] = {}
                definitions[name] = schema_of(get(), definitions)
            return {"$ref": f"#/$defs/{name}"}


def _schema_of_fields(shape: Fields, definitions: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": shape.what,
        "properties": {name: schema_of(part, definitions) for name, part in shape.fields.items()},
        "required": list(shape.needs),
        "additionalProperties": False,
    }
