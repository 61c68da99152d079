"""Forms: which data jobs must have, as JSON Schema: for the page, which asks for them, and to check what is given."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast
from urllib.parse import unquote

from ..errors import OptionsError
from .ask import invalid

Problems = Iterator[tuple[Sequence[str | int], str]]
"""Where in the data something is wrong, and what."""

Check = Callable[[Any], Problems]

MOST_TOLD = 5
LONGEST_TOLD = 300


@dataclass(frozen=True, slots=True)
class Form:
    """What the data of a job have to be like."""

    schema: dict[str, Any]
    check: Check | None
    """None where nothing is there that could check them: a JSON Schema without the package `jsonschema`."""


class Forms:
    """The schemas of jobs' data, by queue and name. Raises `OptionsError` for what is none."""

    def __init__(self, given: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._forms: dict[str, dict[str, Form]] = {}
        for queue, names in _pairs("schemas", {} if given is None else given):
            self._forms[queue] = {
                name: read_form(f"schemas[{queue!r}][{name!r}]", kind)
                for name, kind in _pairs(f"schemas[{queue!r}]", names)
            }

    def of(self, queue: str) -> dict[str, Form]:
        """Those of a queue, by the names of its jobs."""
        return self._forms.get(queue, {})

    def check(self, queue: str, name: str, data: Any) -> None:
        """A refusal if the data are not as the schema says, if there is one for jobs of this name."""
        form = self.of(queue).get(name)
        if form is None or form.check is None:
            return
        told = list(_told(form.check(data)))
        if told:
            raise invalid("; ".join(told))


def _told(problems: Problems) -> Iterator[str]:
    for number, (place, text) in enumerate(problems):
        if number == MOST_TOLD:
            yield "and more"
            return
        yield f"{place_of(place)}: {text[:LONGEST_TOLD]}"


def place_of(steps: Sequence[str | int]) -> str:
    """A place in data, as a search takes it: `data.items[0].sku`."""
    text = "data"
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if re.fullmatch(r"[\w-]+", step) else f"[{step!r}]"
    return text[:LONGEST_TOLD]


def _pairs(what: str, given: object) -> list[tuple[str, Any]]:
    if not isinstance(given, Mapping):
        raise OptionsError(f"{what}={given!r:.100}: a mapping, such as {{'email': {{'welcome': WelcomeModel}}}}")
    pairs = list(cast(Mapping[Any, Any], given).items())
    for name, _ in pairs:
        if not isinstance(name, str) or not name:
            raise OptionsError(f"{what}: {name!r:.100} is no name")
    return pairs


# ------------------------------------------------------------------------------------------------- kinds of schemas


def read_form(what: str, kind: Any) -> Form:
    """A form from a JSON Schema, or from a class that says one: a Pydantic model, a dataclass or a typed dict."""
    try:
        if isinstance(kind, dict):
            return _of_schema(cast(dict[str, Any], kind))
        if callable(getattr(kind, "model_json_schema", None)):
            return Form(_as_json_schema(kind.model_json_schema()), _checker(kind.model_validate_json))
        if _is_plain_type(kind):
            return _of_type(kind)
    except OptionsError as error:
        raise OptionsError(f"{what}: {error}") from None
    except Exception as error:  # whatever a model, or the library for it, does not like
        raise OptionsError(f"{what}: no JSON Schema can be made of it: {type(error).__name__}: {error}") from error
    raise OptionsError(
        f"{what}={kind!r:.100}: a JSON Schema as a dict, a Pydantic model, a dataclass or a TypedDict is wanted"
    )


def _is_plain_type(kind: Any) -> bool:
    """Whether it is a dataclass or a typed dict, also one of `typing_extensions`."""
    is_typed_dict = hasattr(kind, "__required_keys__")
    return isinstance(kind, type) and (is_typed_dict or dataclasses.is_dataclass(cast(Any, kind)))


def _of_type(kind: Any) -> Form:
    try:
        adapter: Any = import_module("pydantic").TypeAdapter(kind)
    except ImportError:
        raise OptionsError("dataclasses and typed dicts need pydantic: pip install pydantic") from None
    return Form(_as_json_schema(adapter.json_schema()), _checker(adapter.validate_json))


def _of_schema(schema: dict[str, Any]) -> Form:
    schema = _as_json_schema(schema)
    _check_references(schema)
    try:
        library: Any = import_module("jsonschema")
        nothing_else: Any = import_module("referencing").Registry()
    except ImportError:
        return Form(schema, None)
    validator = library.validators.validator_for(schema, default=library.Draft202012Validator)
    try:
        validator.check_schema(schema)
    except library.SchemaError as error:
        raise OptionsError(f"not a JSON Schema: {error.message}") from None
    # With a registry that is empty, nothing is fetched from anywhere.
    checker = validator(schema, registry=nothing_else)

    def check(data: Any) -> Problems:
        try:
            for error in checker.iter_errors(data):
                yield list(error.absolute_path), _without(str(error.message), error.instance)
        except RecursionError:
            yield [], "it is nested too deeply"

    return Form(schema, check)


def _without(text: str, value: Any) -> str:
    """A message that does not repeat the value, since it is noted in the audit, where no secret belongs."""
    shown = repr(value)
    return text.replace(shown, "it") if len(shown) > 2 else text


def _check_references(schema: dict[str, Any]) -> None:
    """Each `$ref` has to lead to a place within the schema."""
    names = {text for one in _objects(schema) for word in ("$id", "$anchor") if isinstance(text := one.get(word), str)}
    for one in _objects(schema):
        reference = one.get("$ref")
        if not isinstance(reference, str) or reference in names or reference.removeprefix("#") in names:
            continue
        place: Any = schema if reference.startswith("#") else None
        for step in reference.removeprefix("#").split("/")[1:]:
            step = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(place, list) and step.isdigit():
                items = cast(list[Any], place)
                place = items[int(step)] if int(step) < len(items) else None
            else:
                place = cast(dict[str, Any], place).get(step) if isinstance(place, dict) else None
        if place is None or (reference != "#" and not reference.startswith("#/")):
            raise OptionsError(f"$ref {reference!r:.200} leads to nothing within the schema")


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects of a schema that are no plain data."""
    if isinstance(value, dict):
        members = cast(dict[str, Any], value)
        yield members
        for name, item in members.items():
            if name not in ("enum", "const", "default", "examples"):
                yield from _objects(item)
    elif isinstance(value, list):
        for item in cast(list[Any], value):
            yield from _objects(item)


def _as_json_schema(schema: Any) -> dict[str, Any]:
    """A copy, which nobody changes any more, of what JSON can carry."""
    if not isinstance(schema, dict):
        raise OptionsError("a JSON Schema is an object")
    try:
        found: dict[str, Any] = json.loads(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionsError(f"not a JSON Schema: {error}") from None
    kind = found.get("type", "object")
    known = {"object", "array", "string", "number", "integer", "boolean", "null"}
    kinds = cast(list[object], kind) if isinstance(kind, list) else [kind]
    if not all(isinstance(one, str) and one in known for one in kinds):
        raise OptionsError(f"not a JSON Schema: type {kind!r} is none of {', '.join(sorted(known))}")
    return found


def _checker(validate: Callable[[str], Any]) -> Check:
    """A check by a function that takes JSON and raises an error of Pydantic."""

    def check(data: Any) -> Problems:
        try:
            validate(json.dumps(data))
        except ValueError as error:
            details = getattr(error, "errors", None)
            if not callable(details):
                yield [], str(error)
                return
            for one in cast(
                list[Any], cast(Any, details)(include_url=False, include_input=False, include_context=False)
            ):
                yield list(one["loc"]), str(one["msg"])
        except RecursionError:
            yield [], "it is nested too deeply"

    return check
