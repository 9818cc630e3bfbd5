"""Every parameter of every operation that the sandbox serves, after the SDK's own types.

The cases come from the table of operations and from the SDK's source: a new operation is tested without a line here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from sandbox.stripe_api import forms
from sandbox.stripe_api.calls import Operation
from sandbox.stripe_api.errors import StripeError
from sandbox.stripe_api.operations import OPERATIONS

from tests.contract.sandbox import sdk_types
from tests.contract.sandbox.inside import Inside, inside
from tests.contract.sandbox.sdk_types import Array, Either, Enum, Hash, Leaf, Map, Type

Path = tuple[str, ...]
# What no type can tell: values that pass the rules behind the types.
SAMPLES = {"email": "a@example.com", "url": "http://127.0.0.1:9/x", "invoice_prefix": "ABC"}
GOOD = {"text": ["x"], "integer": ["5", "-7"], "flag": ["true", "false"], "number": ["5", "0.5"]}
NESTED = {"x": "1"}
WRONG: dict[str, list[Any]] = {
    "text": [NESTED],
    "integer": ["abc", "5.0", "1e3", " 5", "0x1", "true", "٣", "9" * 5000, NESTED],
    "flag": ["yes", "1", "True", "TRUE", NESTED],
    "number": ["abc", "1e3", "1,5", "NaN", NESTED],
}
WORDS = {"text": "string", "integer": "integer", "flag": "boolean", "number": "decimal"}
REFUSALS = re.compile(
    r"Received unknown parameter|Missing required param|You passed an empty string|"
    r"Invalid (string|integer|boolean|decimal|array|object|hash)\b|Invalid \S+: must be one of"
)


def nodes(type: Type, path: Path = ()) -> Iterator[tuple[Path, Type]]:
    """Every place where a value may stand, with its type; lists and maps by one item."""
    if path:
        yield path, type
    for member in type.members if isinstance(type, Either) else (type,):
        if isinstance(member, Hash):
            for name, inner in member.fields.items():
                yield from nodes(inner, (*path, name))
        elif isinstance(member, Array):
            yield from nodes(member.item, (*path, "0"))
        elif isinstance(member, Map):
            yield from nodes(member.item, (*path, "key"))


def sample(type: Type, name: str = "") -> Any:
    """A good value of a type, with as little in it as may be."""
    if isinstance(type, Either):
        return sample(next((m for m in type.members if not isinstance(m, Enum) or any(m.words)), type.members[0]), name)
    if isinstance(type, Leaf):
        return SAMPLES.get(name, GOOD[type.kind][0])
    if isinstance(type, Enum):
        return next((word for word in type.words if word), "")
    if isinstance(type, Array):
        return {"0": sample(type.item, name)}
    if isinstance(type, Map):
        return {"key": sample(type.item, name)}
    names = sorted(type.required) or sorted(type.fields)[:1]
    return {field: sample(type.fields[field], field) for field in names}


def placed(type: Type, path: Path, value: Any) -> Any:
    """A value at its place, with the required parameters beside it at every depth."""
    if not path:
        return value
    for member in type.members if isinstance(type, Either) else (type,):
        if isinstance(member, Hash) and path[0] in member.fields:
            beside = {name: sample(member.fields[name], name) for name in sorted(member.required)}
            return {**beside, path[0]: placed(member.fields[path[0]], path[1:], value)}
        if isinstance(member, Array | Map):
            return {path[0]: placed(member.item, path[1:], value)}
    raise LookupError(path)


def encoded(tree: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested values as form fields."""
    if not isinstance(tree, dict):
        return [(name, tree)]
    return [pair for key, inner in tree.items() for pair in encoded(inner, f"{name}[{key}]" if name else key)]


def bracketed(path: Path) -> str:
    """A place as Stripe names it."""
    return path[0] + "".join(f"[{key}]" for key in path[1:])


def accepted(type: Type, name: str) -> list[Any]:
    """Good values of a type."""
    if isinstance(type, Either):
        return [value for member in type.members for value in accepted(member, name)]
    if isinstance(type, Leaf):
        return [SAMPLES[name]] if name in SAMPLES else GOOD[type.kind]
    return list(type.words) if isinstance(type, Enum) else [sample(type, name)]


def refused(type: Type, name: str) -> list[tuple[Any, str | None, str]]:
    """Wrong values of a type, with the code and the message that Stripe answers."""
    nothing = ("", "parameter_invalid_empty", f"You passed an empty string for '{name}'.")
    if isinstance(type, Leaf):
        code = "parameter_invalid_integer" if type.kind == "integer" else None
        found: list[tuple[Any, str | None, str]] = [
            (value, code, f"Invalid {WORDS[type.kind]}: {'{:x=>' if value is NESTED else value}")
            for value in WRONG[type.kind]
        ]
        return found if type.kind == "text" else [*found, nothing]
    if isinstance(type, Enum):
        enum = ("no_such_word", None, f"Invalid {name}: must be one of ")
        return [enum, (NESTED, None, "Invalid string: {:x=>"), *([] if "" in type.words else [nothing])]
    if isinstance(type, Array):
        return [("x", None, "Invalid array"), (NESTED, None, "Invalid array"), nothing]
    if isinstance(type, Map):
        return [("x", None, "Invalid hash"), nothing]
    if isinstance(type, Hash):
        return [("x", None, "Invalid object"), nothing]
    return _wrong_for_all(type)


def _wrong_for_all(type: Either) -> list[tuple[Any, str | None, str]]:
    """What no member of a union takes: a word where only numbers and hashes fit, a hash where only words do."""
    leaves = {member.kind for member in type.members if isinstance(member, Leaf)}
    nests = any(isinstance(member, Hash | Map | Array) for member in type.members)
    words = {word for member in type.members if isinstance(member, Enum) for word in member.words}
    found: list[tuple[Any, str | None, str]] = []
    if "text" not in leaves:
        found.append(("no_such_word", "parameter_invalid_integer" if "integer" in leaves else None, "Invalid "))
    if not nests:
        whole = "integer" in leaves
        found.append((NESTED, "parameter_invalid_integer" if whole else None, "Invalid "))
    if "text" not in leaves and "" not in words:
        found.append(("", "parameter_invalid_empty", "You passed an empty string for '"))
    return found


def shape(operation: Operation) -> Hash:
    """What the SDK says of an operation."""
    return sdk_types.parameters(operation.method, operation.path)


def cases() -> list[Any]:
    """Every operation with each of its parameters, and every place in that parameter."""
    found = [
        (operation, [(path, type) for path, type in nodes(inner, (name,))])
        for operation in OPERATIONS
        for name, inner in shape(operation).fields.items()
    ]
    return [pytest.param(*case, id=f"{case[0].name}-{case[1][0][0][0]}") for case in found]


def refusal(operation: Operation, tree: Any) -> dict[str, Any]:
    """The error about parameters, without the way through the application that one test for each operation goes."""
    with pytest.raises(StripeError) as caught:
        operation.shape.read(forms.parse(urlencode(encoded(tree))), ())
    assert caught.value.status == 400
    error: dict[str, Any] = caught.value.body()["error"]
    return error


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One application for all cases."""
    with inside(tmp_path_factory.mktemp("parameters")) as made:
        yield made


@pytest.fixture(scope="module")
def key(app: Inside) -> str:
    """The key of one account for all cases."""
    return str(app.account("stripe")["key"])


def send(app: Inside, key: str, operation: Operation, tree: Any) -> httpx.Response:
    """Sends parameters as the SDK does: in the body of a POST, else in the query."""
    path, fields = f"/stripe{operation.path.replace('{id}', 'x_none')}", dict(encoded(tree))
    return app.call(operation.method, path, key, **{"data" if operation.method == "POST" else "params": fields})


def assert_refused(answer: httpx.Response | dict[str, Any], code: str | None, param: str, message: str) -> None:
    """Stripe's own error body: type, code, param, message, and nothing that the code does not bring along."""
    if isinstance(answer, httpx.Response):
        assert answer.status_code == 400, answer.text
        assert list(answer.json()) == ["error"]
    error = answer.json()["error"] if isinstance(answer, httpx.Response) else answer
    assert (error["type"], error.get("code"), error["param"]) == ("invalid_request_error", code, param)
    assert error["message"].startswith(message)
    assert set(error) == {"type", "message", "param", *(("code", "doc_url") if code else ())}


@pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
def test_the_operation_has_the_sdks_parameters(app: Inside, key: str, operation: Operation) -> None:
    """The SDK knows the operation, what it calls required is required, and nothing else is."""
    types = shape(operation)
    assert set(operation.shape.fields) == set(types.fields)
    for name in sorted(types.required):
        rest = {field: sample(types.fields[field], field) for field in types.required if field != name}
        assert_refused(send(app, key, operation, rest), "parameter_missing", name, f"Missing required param: {name}.")
    least = {name: sample(types.fields[name], name) for name in sorted(types.required)}
    assert not is_refusal(send(app, key, operation, least))


def is_refusal(answer: httpx.Response) -> bool:
    """Whether the answer is about a parameter's name or type; what the id or a further rule brings is not."""
    assert answer.status_code in (200, 400, 403, 404), answer.text
    return bool(REFUSALS.match(answer.json().get("error", {}).get("message", "")))


@pytest.mark.parametrize(("operation", "places"), cases())
def test_the_parameter_is_accepted_with_the_right_type(
    app: Inside, key: str, operation: Operation, places: list[tuple[Path, Type]]
) -> None:
    """Every value that the SDK's type allows gets past the check of types."""
    for path, type in places:
        for value in accepted(type, path[-1]):
            answer = send(app, key, operation, placed(shape(operation), path, value))
            assert not is_refusal(answer), (path, value, answer.text)


@pytest.mark.parametrize(("operation", "places"), cases())
def test_the_parameter_is_refused_with_a_wrong_type(operation: Operation, places: list[tuple[Path, Type]]) -> None:
    """Every value of another type is refused with the parameter's name, Stripe's code and Stripe's words."""
    for path, type in places:
        for value, code, message in refused(type, bracketed(path)):
            tree = placed(shape(operation), path, value)
            assert_refused(refusal(operation, tree), code, bracketed(path), message)


@pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
def test_unknown_parameters_are_refused_at_every_depth(app: Inside, key: str, operation: Operation) -> None:
    """In the request itself and in every hash of it, alone and beside another unknown one."""
    types = shape(operation)
    hashes = [((), types), *((path, type) for path, type in nodes(types))]
    for path, type in hashes:
        for member in type.members if isinstance(type, Either) else (type,):
            if isinstance(member, Hash):
                good = {name: sample(member.fields[name], name) for name in sorted(member.required)}
                name = bracketed((*path, "no_such_parameter"))
                tree = placed(types, path, {**good, "no_such_parameter": "1"})
                message = f"Received unknown parameter: {name}"
                assert_refused(refusal(operation, tree), "parameter_unknown", name, message)
    answer = send(app, key, operation, {"nor_this": "1", "nor_that": {"x": "1"}})
    assert_refused(answer, "parameter_unknown", "nor_this", "Received unknown parameters: nor_this, nor_that")


def test_every_missing_parameter_of_a_hash_is_named() -> None:
    """What a hash inside a request requires is required there, whenever the hash is sent."""
    seen = 0
    for operation in OPERATIONS:
        types = shape(operation)
        for path, type in nodes(types):
            for member in type.members if isinstance(type, Either) else (type,):
                if not isinstance(member, Hash):
                    continue
                for name in sorted(member.required):
                    # A hash with nothing in it cannot be sent, so another of its parameters has to stand there.
                    rest = {n: sample(t, n) for n, t in member.fields.items() if n != name}
                    if not rest:
                        continue
                    full = bracketed((*path, name))
                    found = refusal(operation, placed(types, path, rest))
                    assert_refused(found, "parameter_missing", full, f"Missing required param: {full}.")
                    seen += 1
    assert seen


def test_parameters_beside_a_body_are_seen_too(app: Inside, key: str) -> None:
    """A query beside a body counts as much as the body."""
    answer = app.call("POST", "/stripe/v1/customers?emial=a", key, data={"name": "x"})
    assert_refused(answer, "parameter_unknown", "emial", "Received unknown parameter: emial")
    assert app.call("POST", "/stripe/v1/customers?name=y", key, data={"description": "x"}).json()["name"] == "y"


@pytest.mark.parametrize("encoded_body", ["a[b=1", "a]=1", "[a]=1", "name=1&name[x]=2", "%5B%5D=1"])
def test_names_whose_brackets_do_not_pair_are_refused(app: Inside, key: str, encoded_body: str) -> None:
    """A form that means nothing is a 400 of Stripe's kind."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = app.call("POST", "/stripe/v1/customers", key, content=encoded_body.encode(), headers=form)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("query", ["&".join(f"a{n}=1" for n in range(6000)), "limit=%ff", "types[99999999999]=x"])
def test_monstrous_queries_are_the_callers_fault(app: Inside, key: str, query: str) -> None:
    """Too many fields, no UTF-8, an index without end: 400, never 500."""
    assert app.call("GET", f"/stripe/v1/events?{query}", key).status_code == 400


HEADERS = ("Request-Id", "Stripe-Version")


@pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
def test_every_answer_names_its_request_and_version(app: Inside, key: str, operation: Operation) -> None:
    """Good, refused and unauthenticated answers carry a request id of their own and the version that they speak."""
    types = shape(operation)
    least = {name: sample(types.fields[name], name) for name in sorted(types.required)}
    answers = [send(app, key, operation, least), send(app, key, operation, {"x": "1"}), send(app, "", operation, least)]
    assert [answer.headers["Stripe-Version"] for answer in answers] == ["2026-10-28.endive"] * 3
    assert len({answer.headers["Request-Id"] for answer in answers}) == 3
    assert all(answer.headers["Request-Id"].startswith("req_") for answer in answers)
    assert (answers[2].status_code, answers[2].json()["error"]["type"]) == (401, "invalid_request_error")


@pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
def test_expand_knows_what_can_be_expanded(app: Inside, key: str, operation: Operation) -> None:
    """A field that cannot be expanded is refused by its place in the list, on every operation that has `expand`."""
    if "expand" not in shape(operation).fields:
        assert_refused(send(app, key, operation, {"expand": {"0": "x"}}), "parameter_unknown", "expand", "Received")
        return
    types = shape(operation)
    least = {name: sample(types.fields[name], name) for name in sorted(types.required)}
    answer = send(app, key, operation, {**least, "expand": {"0": "no.such.field"}})
    assert_refused(answer, None, "expand[0]", "This property cannot be expanded (no.such.field).")
