"""The vendor's own client, togai-client 1.0.3, runs against the sandbox for every operation it serves."""

from __future__ import annotations

from typing import Any

import pytest
from togai_client.api.accounts_api import AccountsApi
from togai_client.api.aliases_api import AliasesApi
from togai_client.api.customers_api import CustomersApi
from togai_client.api.settings_api import SettingsApi
from togai_client.exceptions import ApiException, BadRequestException, NotFoundException, UnauthorizedException
from togai_client.models.add_account_aliases_request import AddAccountAliasesRequest
from togai_client.models.create_account_request import CreateAccountRequest
from togai_client.models.create_bulk_alias_request import CreateBulkAliasRequest
from togai_client.models.create_customer_request import CreateCustomerRequest
from togai_client.models.remove_account_aliases_request import RemoveAccountAliasesRequest
from togai_client.models.setting import Setting
from togai_client.models.update_account_request import UpdateAccountRequest
from togai_client.models.update_customer_request import UpdateCustomerRequest
from togai_client.models.update_setting_request import UpdateSettingRequest

from tests.contract.sandbox import tools
from tests.contract.sandbox.conftest import TogaiSide

ADDRESS = {"line1": "2281 Broadway Street", "city": "Florence", "postalCode": "29501", "country": "US"}
SETTING = {"id": "StripeCustomerId", "value": "cus_1", "namespace": "USER", "name": "Stripe id", "dataType": "STRING"}


def new_customer(id: str = "C1", **account: Any) -> Any:
    """A request for a customer with an account."""
    nested = {"id": f"A-{id}", "name": "Primary Account", "invoiceCurrency": "EUR", **account}
    body = {"id": id, "name": "ACME", "primaryEmail": "a@example.com", "address": ADDRESS, "account": nested}
    return CreateCustomerRequest.from_dict(body)


def test_customers(org: TogaiSide) -> None:
    """A customer with its account is created, read, listed, changed and archived."""
    api: Any = CustomersApi(tools.togai_sdk(org.url, org.key))
    made = api.create_customer(new_customer(aliases=["alias-1"], settings=[SETTING], metadata={"VATN": "1"}))
    assert made.account.customer_id == "C1"
    assert made.account.invoice_currency == "EUR"
    assert made.account.aliases[0].alias == "alias-1"
    read = api.get_customer("C1")
    assert (read.status, read.address.city, read.billing_address[:4]) == ("ACTIVE", "Florence", "2281")
    assert read.created_at.tzinfo is not None
    changed = api.update_customer("C1", UpdateCustomerRequest.from_dict({"name": "ACME Enterprise"}))
    assert changed.name == "ACME Enterprise"
    assert changed.updated_at > read.updated_at
    assert [customer.id for customer in api.get_customers().data] == ["C1"]
    assert api.delete_customer("C1").success is True
    assert api.get_customer("C1").status == "ARCHIVED"


def test_accounts_and_aliases(org: TogaiSide) -> None:
    """An account is created, changed and archived, and aliases come and go."""
    client = tools.togai_sdk(org.url, org.key)
    CustomersApi(client).create_customer(new_customer())
    api: Any = AccountsApi(client)
    body = {"id": "A2", "name": "Second", "customerId": "C1", "tags": ["Stripe"], "metadata": {"a": "1", "b": "2"}}
    made = api.create_account(CreateAccountRequest.from_dict(body))
    assert (made.invoice_currency, made.tags, made.status) == ("USD", ["stripe"], "ACTIVE")
    update = UpdateAccountRequest.from_dict({"metadata": {"c": "3"}, "status": "DRAFT"})
    assert api.update_account("A2", update).metadata == {"c": "3"}
    assert api.get_account("A2").status == "DRAFT"
    assert {account.id for account in api.get_accounts().data} == {"A2", "A-C1"}
    added = api.add_aliases("A2", AddAccountAliasesRequest.from_dict({"aliases": ["cus_1", "cus_2"]}))
    assert [alias.alias for alias in added.aliases] == ["cus_1", "cus_2"]
    assert [alias.value for alias in api.list_account_aliases("A2").data] == ["cus_1", "cus_2"]
    left = api.remove_aliases("A2", RemoveAccountAliasesRequest.from_dict({"aliases": ["cus_1"]}))
    assert [alias.alias for alias in left.aliases] == ["cus_2"]
    assert api.delete_account("A2").success is True
    assert api.get_account("A2").status == "ARCHIVED"


def test_free_aliases(org: TogaiSide) -> None:
    """Aliases of no account are registered, read, listed and deleted."""
    api: Any = AliasesApi(tools.togai_sdk(org.url, org.key))
    request = CreateBulkAliasRequest.from_dict({"aliases": [{"value": "free-1"}, {"value": "free-2"}]})
    assert [alias.value for alias in api.create_alias(request).data] == ["free-1", "free-2"]
    assert api.get_alias("free-1").created_at is not None
    assert {alias.value for alias in api.list_aliases().data} == {"free-1", "free-2"}
    assert api.delete_alias("free-1").success is True
    with pytest.raises(NotFoundException):
        api.get_alias("free-1")


def test_settings(org: TogaiSide) -> None:
    """A setting is created, found by its filters, read and changed by its full id."""
    api: Any = SettingsApi(tools.togai_sdk(org.url, org.key))
    body = {**SETTING, "entityType": "ACCOUNT", "entityId": "acc.with.dots"}
    assert api.insert_setting(Setting.from_dict(body)).value == "cus_1"
    full = "setting.USER.StripeCustomerId.ACCOUNT.acc.with.dots"
    assert api.get_setting(full).value == "cus_1"
    assert api.update_setting(full, UpdateSettingRequest.from_dict({"value": "cus_2"})).value == "cus_2"
    found = api.list_setting(entity_type="ACCOUNT", entity_id="acc.with.dots", setting_id="StripeCustomerId")
    assert [setting.value for setting in found.data] == ["cus_2"]
    system = api.list_setting(entity_type="ORGANIZATION", namespace="togai").data
    assert [setting.entity_id for setting in system] == [org.account]


def test_errors(org: TogaiSide, control: tools.Control) -> None:
    """The client's exceptions come as with the vendor: 400, 401, 404, and plain ones for 409 and 429."""
    api: Any = CustomersApi(tools.togai_sdk(org.url, org.key))
    api.create_customer(new_customer())
    with pytest.raises(BadRequestException):
        api.create_customer(new_customer())
    with pytest.raises(NotFoundException):
        api.get_customer("nobody")
    with control.settings(togai_duplicate=409), pytest.raises(ApiException) as caught:
        api.create_customer(new_customer())
    assert caught.value.status == 409
    with control.settings(togai_duplicate=200):
        assert org.http.post("/customers", json=new_customer().to_dict()).status_code == 200
    with pytest.raises(UnauthorizedException):
        CustomersApi(tools.togai_sdk(org.url, "wrong")).get_customers()
    control.call("POST", "/togai/unlock")
