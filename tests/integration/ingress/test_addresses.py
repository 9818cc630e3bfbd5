"""Which address takes what, Togai's webhooks, and what ingress tells about itself."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.integration.ingress.harness import (
    HOOK_TOKEN,
    LIVE,
    NEW_SECRET,
    SECRETS,
    STRIPE,
    TOGAI,
    Harness,
    event,
    event_id,
    signed,
)

ACCOUNT = b'{"payload": {"id": "acme", "customerId": "c-acme"}}'


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/webhooks/stripe/con_nobody", 404, "unknown_connection"),
        (f"/webhooks/stripe/{TOGAI}", 404, "unknown_connection"),
        (f"/webhooks/togai/{STRIPE}/account.created/{HOOK_TOKEN}", 404, "unknown_connection"),
        (f"/webhooks/togai/con_nobody/account.created/{HOOK_TOKEN}", 404, "unknown_connection"),
        (f"/webhooks/stripe/{STRIPE}/", 404, "unknown_address"),
        (f"/webhooks//stripe/{STRIPE}", 404, "unknown_address"),
        (f"/webhooks/stripe/{STRIPE}/more", 404, "unknown_address"),
        ("/webhooks/stripe/", 404, "unknown_connection"),
        ("/webhooks/stripe", 404, "unknown_address"),
        ("/webhooks/", 404, "unknown_address"),
        (f"/webhooks/zoho/{STRIPE}", 404, "unknown_address"),
        (f"/webhooks/STRIPE/{STRIPE}", 404, "unknown_address"),
        (f"/webhooks/stripe/..%2f{STRIPE}", 404, "unknown_connection"),
        ("/webhooks/stripe/%ff", 404, "unknown_connection"),
        ("/webhooks/stripe/%00", 404, "unknown_connection"),
        ("/webhooks/stripe/%", 404, "unknown_connection"),
        (f"/webhooks/togai/{TOGAI}/account.created", 404, "unknown_address"),
        (f"/webhooks/togai/{TOGAI}/account.created/{HOOK_TOKEN}/", 404, "unknown_address"),
        (f"/webhooks/togai/{TOGAI}/account.created/", 403, "wrong_token"),
        (f"/webhooks/togai/{TOGAI}/account.created/wrong", 403, "wrong_token"),
        (f"/webhooks/togai/{TOGAI}/account.created/{HOOK_TOKEN}x", 403, "wrong_token"),
        (f"/webhooks/togai/{TOGAI}/account.created/%ff", 403, "wrong_token"),
        (f"/webhooks/togai/{TOGAI}/Account%20creation/{HOOK_TOKEN}", 404, "unknown_event"),
        (f"/webhooks/togai/{TOGAI}//{HOOK_TOKEN}", 404, "unknown_event"),
    ],
)
async def test_a_wrong_address_is_refused_with_its_reason(harness: Harness, path: str, status: int, code: str) -> None:
    """The sender's fault, however it is written; sent as it stands here, as no client would."""
    body = event()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    answered, reported = await harness.raw(
        f"{head}Stripe-Signature: {signed(body, NEW_SECRET)}\r\n\r\n".encode() + body
    )

    assert (answered, json.loads(reported)["error"]["code"]) == (status, code)


@pytest.mark.parametrize("path", ["/webhooks/stripe/con%5Fstripe", f"/webhooks/stripe/{STRIPE}?from=proxy"])
async def test_an_encoded_address_is_equal_to_the_plain_one(harness: Harness, path: str) -> None:
    """Percent-encoding and a query change nothing."""
    body = event()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    answered, _ = await harness.raw(f"{head}Stripe-Signature: {signed(body, NEW_SECRET)}\r\n\r\n".encode() + body)

    assert answered == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_webhooks_are_posted(harness: Harness, method: str) -> None:
    """Somebody who opens the address in a browser reads so."""
    async with harness.client() as http:
        answer = await http.request(method, harness.url(f"/webhooks/stripe/{STRIPE}"))

    assert answer.status_code == 405


async def test_a_togai_webhook_is_keyed_by_its_account(harness: Harness) -> None:
    """Each delivery is an event of its own: an equal body twice is two events."""
    answers = [await harness.togai(ACCOUNT) for _ in range(2)]
    names = [answer.json()["received"] for answer in answers]
    found = [await harness.events(name) for name in names]

    assert len(set(names)) == 2
    assert [[record.key for record in one] for one in found] == [[b"togai:test:org_1/account/acme"]] * 2
    assert ACCOUNT in found[0][0].value


async def test_a_togai_event_that_nobody_knows_is_kept(harness: Harness) -> None:
    """Under its own type in the topic of the others."""
    answer = await harness.togai(ACCOUNT, "credit_grant.expired")
    (record,) = await harness.events(answer.json()["received"], harness.topics.other)

    assert json.loads(record.value)["type"] == "togai.credit_grant.expired"


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"", ""),
        (b"<html>\n", "<html>\n"),
        (b"\xff\xfe", "��"),
        (b'{"id": ', '{"id": '),
        (b'{"id": 1e999}', '{"id": 1e999}'),
        (b'{"id": "\\ud800"}', '{"id": "\\ud800"}'),
        (b"[" * 3000, "[" * 3000),
        (b"[" * 3000 + b"]" * 3000, "[" * 3000 + "]" * 3000),
        (b'"' + b"[" * 3000 + b'"', "[" * 3000),
        (b'"{\\"accountId\\": \\"\\\\ud800\\"}"', '{"accountId": "\\ud800"}'),
        (b"null", None),
        (b"{}", {}),
        (b'{"accountId": ["a"]}', {"accountId": ["a"]}),
    ],
)
async def test_a_togai_body_of_any_kind_is_kept(harness: Harness, body: bytes, kept: object) -> None:
    """No shape is documented, so none is refused: it ends as a dead letter that somebody sees."""
    answer = await harness.togai(body)
    assert answer.status_code == 200
    (record,) = await harness.events(answer.json()["received"])

    assert json.loads(record.value)["data"] == kept
    assert record.key.startswith(b"togai:test:org_1/event/unknown-tgi_")


@pytest.mark.parametrize("body", [b"\xff" * 1024 * 1024, b"\0" * 1024 * 1024])
async def test_a_togai_body_that_grows_by_being_kept_is_kept_or_refused(harness: Harness, body: bytes) -> None:
    """A megabyte of what is no text needs three to six as text: never a 503, which asks for it again."""
    assert (await harness.togai(body)).status_code in (200, 413)


async def test_a_slow_sender_gets_408_and_holds_nobody_up(harness: Harness) -> None:
    """A body that drips for ever ends after its deadline; others are served meanwhile."""
    signature = f"Stripe-Signature: {signed(b'', NEW_SECRET)}"
    head = f"POST /webhooks/stripe/{STRIPE} HTTP/1.1\r\nHost: x\r\n{signature}\r\nContent-Length: 100\r\n\r\n{{"
    slow = [asyncio.create_task(harness.raw(head.encode())) for _ in range(20)]
    others = [(await harness.stripe(event())).status_code for _ in range(20)]

    assert others == [200] * 20
    assert not any(task.done() for task in slow)
    answers = await asyncio.gather(*slow)
    assert {(status, json.loads(body)["error"]["code"]) for status, body in answers} == {(408, "too_slow")}


async def test_a_sender_that_goes_away_leaves_nothing(harness: Harness) -> None:
    """Half a body and then the end of the connection: nothing is appended, and ingress goes on."""
    name = event_id()
    body = event(name)
    for _ in range(5):
        _, writer = await asyncio.open_connection("127.0.0.1", harness.stack.ports["ingress"])
        head = f"POST /webhooks/stripe/{STRIPE} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Stripe-Signature: {signed(body, NEW_SECRET)}\r\n\r\n".encode() + body[:-5])
        await writer.drain()
        writer.close()

    assert (await harness.stripe(event())).status_code == 200
    assert await harness.events(name) == []


async def test_what_ingress_tells_about_itself(harness: Harness) -> None:
    """Alive, ready with its connections, and counted in Prometheus' format."""
    taken = 'tandem_ingress_events_total{app="stripe",type="stripe.customer.created"}'
    before = await harness.counted(taken)
    await harness.stripe(event())
    async with harness.client() as http:
        alive, ready = await http.get(harness.url("/healthz")), await http.get(harness.url("/readyz"))
        nothing = await http.get(harness.url("/docs"))
        public = [
            await http.get(f"{harness.stack.url('ingress')}/{page}") for page in ("metrics", "pollers", "healthz")
        ]

    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "service": "ingress", "connections": 4})
    assert nothing.status_code == 404
    assert [answer.status_code for answer in public] == [404, 404, 200]
    assert await harness.counted(taken) == before + 1


async def test_no_secret_is_in_the_log_or_in_an_answer(harness: Harness) -> None:
    """After good and bad webhooks, to addresses that hold a secret too."""
    for name, token in ((STRIPE, NEW_SECRET), (LIVE, HOOK_TOKEN)):
        await harness.post(f"/webhooks/stripe/{name}/{token}", b"{}", {"Stripe-Signature": f"t=1,v1={token}"})
    await harness.togai(ACCOUNT)
    await harness.togai(ACCOUNT, "Wrong name")
    async with harness.client() as http:
        reported = (await http.get(harness.url("/metrics"))).text
    everything = "\n".join([harness.log(), reported, *harness.answers])

    assert "webhook.refused" in everything
    assert [secret for secret in SECRETS if secret in everything] == []
