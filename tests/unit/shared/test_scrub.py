"""Secrets and addresses in texts of others: out of every log line, exception and record."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest
from pydantic import BaseModel, ValidationError
from shared.domains.customers.togai import link_requested
from shared.errors import Malformed, Rejected
from shared.log import get_logger
from shared.model import Model
from shared.runtime.problems import problem_of
from shared.scrub import scrub, scrub_for_log
from shared.settings import Settings
from sqlmodel import SQLModel

MARK = "q9Zq9Zq9Zq9Zq9Zq9Zq9Z"
ADDRESS = "zoe.mueller@acme.example"
TEXTS = (
    f"sk_live_{MARK}",
    f"rk_test_{MARK}",
    f"whsec_{MARK}/+=",
    f"http://h/webhooks/togai/con_togai/account.created/{MARK}",
    f"Authorization: Bearer {MARK}",
    f"authorization: basic {MARK}==",
    f"postgresql://tandem:{MARK}@db:5432/tandem",
    f"gAAAAABo{MARK}{MARK}",
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_is_known_by_its_form(text: str) -> None:
    """What stands around it stays."""
    shown = scrub(f"before {text} after")

    assert MARK not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "Invalid API Key provided: sk_test_****1234",
        "it begins with sk_test_, rk_test_, sk_live_ or rk_live_",
        "run_0c9a7b5d3e1f2a4b6c8d0e1f of cus_1Nv0FGQ9RKHgCVdK at https://api.stripe.com/v1/customers",
        "send `Authorization: Bearer` with TANDEM_CONSOLE_TOKEN",
        "customer.events/3/1204, 12:30, a=b",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Ids and sentences are what people look for."""
    assert scrub_for_log(text) == text


def test_no_log_line_holds_a_secret_or_an_address(written: io.StringIO) -> None:
    """By the name of a field however deep, or by its form: in values, events, exceptions and libraries' messages."""
    log, texts = get_logger("shared.test"), (*TEXTS, ADDRESS)
    log.info("deep", headers={"Authorization": MARK, "more": [{"api_key": MARK}]}, pair=({"webhook_token": MARK},))
    for text in texts:
        log.info(f"event {text}", reason=text, inside={"list": [f"({text})", json.dumps({"a": text})]})
        logging.getLogger("library").warning("refused: '%s'", text)
        try:
            raise KeyError(text) from ValueError(text)
        except KeyError as error:
            log.error("bug", error=repr(error), exc_info=error)

    assert MARK not in written.getvalue()
    assert "acme.example" not in written.getvalue()
    assert written.getvalue().count("***") > 5 * len(texts)


def test_the_last_words_of_a_process_hold_none_either(written: io.StringIO) -> None:
    """An exception that nobody caught goes through the log too, with its traceback."""
    try:
        raise RuntimeError(f"sk_live_{MARK} of {ADDRESS}\x1b[2J")
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)

    text = written.getvalue()
    assert "process.died" in text
    assert "Traceback" in text
    assert not [secret for secret in (MARK, ADDRESS, "\x1b") if secret in text]


@pytest.mark.parametrize("text", TEXTS)
def test_no_record_keeps_a_secret_of_an_error(text: str) -> None:
    """Neither a dead letter of ours, nor that of a bug with its traceback."""
    try:
        raise RuntimeError(text)
    except RuntimeError as bug:
        of_bug = problem_of(bug)

    assert MARK not in Rejected(f"Stripe: {text}").message + str(Rejected(text))
    assert MARK not in of_bug.reason + of_bug.traceback


def _models(kind: type[BaseModel]) -> set[type[BaseModel]]:
    return {found for child in kind.__subclasses__() for found in {child, *_models(child)}}


def test_every_model_of_ours_hides_what_does_not_fit() -> None:
    """A model that is no `Model` would show a customer's address in a log."""
    import console.app
    import customer_sync.actions  # noqa: F401

    found = {model for model in _models(BaseModel) if not issubclass(model, SQLModel)}  # tables check nothing
    ours = {model for model in found if model.__module__.partition(".")[0] in ("shared", "console")}

    assert len(ours) > 50
    assert {model.__name__ for model in ours if not model.model_config.get("hide_input_in_errors")} == set()
    assert console.app


def test_an_error_of_a_model_shows_no_value() -> None:
    """Whether a person's request does not fit, or a setting."""

    class Found(Model):
        email: int

    with pytest.raises(ValidationError) as caught:
        Found.model_validate({"email": ADDRESS})
    with pytest.raises(Malformed) as refused:
        link_requested({"change": ADDRESS, "reason": "x"})
    with pytest.raises(ValidationError) as wrong:
        Settings(_env_file=None, ingress_port=MARK, stripe_api_key=[MARK])

    assert ADDRESS not in str(caught.value) + str(refused.value)
    assert MARK not in str(wrong.value)
