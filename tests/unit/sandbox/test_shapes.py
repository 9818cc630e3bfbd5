"""Request shapes, read off the SDK's types, are as strict as Stripe."""

from __future__ import annotations

from typing import Any

import pytest
import stripe.params
from sandbox.stripe_api import forms, params
from sandbox.stripe_api.errors import StripeError
from sandbox.stripe_api.shapes import Choice, Flag, Integer, ListOf, Struct, Text
from stripe._request_options import RequestOptions
from typing_extensions import is_typeddict


@pytest.mark.parametrize(
    ("encoded", "tree"),
    [
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
        ("a[]=x&a[]=y", {"a": {"0": "x", "1": "y"}}),
        ("a[0][b]=x&a[1][b]=y", {"a": {"0": {"b": "x"}, "1": {"b": "y"}}}),
        ("a=%C3%A9%26", {"a": "é&"}),
        ("", {}),
    ],
)
def test_forms(encoded: str, tree: dict[str, Any]) -> None:
    """Brackets become nested values."""
    assert forms.parse(encoded) == tree


@pytest.mark.parametrize("encoded", ["a[b=1", "a]=1", "[a]=1", "a[b[c]]=1", "a=1&a[b]=2"])
def test_forms_refuse(encoded: str) -> None:
    """Names whose brackets do not pair, and a name that is both value and hash, are refused."""
    with pytest.raises(StripeError):
        forms.parse(encoded)


@pytest.mark.parametrize(
    ("shape", "text"),
    [(Integer(), "5.0"), (Integer(), "1e3"), (Integer(), " 5"), (Integer(), "٣"), (Flag(), "yes"), (Flag(), "True"),
     (Flag(), "1"), (Choice(("a", "b")), "c"), (ListOf(Text()), {"x": "1"}), (Struct(), "x"), (Text(), {"a": "1"})],
)  # fmt: skip
def test_wrong_types(shape: Any, text: Any) -> None:
    """What a lax reader would take, Stripe does not."""
    with pytest.raises(StripeError):
        shape.read(text, ("x",))


def test_open_enums_are_closed() -> None:
    """`Literal[...] | str` is closed, `Literal[''] | str` stays free text."""
    assert params.CUSTOMER_CREATE.fields["tax_exempt"] == Choice(("", "exempt", "none", "reverse"))
    assert params.CUSTOMER_CREATE.fields["business_name"].read("any text", ("business_name",)) == "any text"


def test_request_options_are_no_parameters() -> None:
    """What the SDK sends in headers is no parameter of a request."""
    assert not set(RequestOptions.__annotations__) & set(params.CUSTOMER_CREATE.fields)


def test_list_order_is_by_index() -> None:
    """Ten or more items keep the order of their indices."""
    tree = forms.parse("&".join(f"a[{n}]={n}" for n in range(11, -1, -1)))
    assert ListOf(Integer()).read(tree["a"], ("a",)) == list(range(12))


@pytest.mark.parametrize(
    "name", ["CustomerCreateParams", "InvoiceCreateParams", "PriceCreateParams", "ProductListParams"]
)
def test_further_operations_have_shapes(name: str) -> None:
    """The reader copes with operations that the sandbox does not serve yet."""
    found = getattr(stripe.params, name)
    assert is_typeddict(found)
    assert params.struct(found).fields
