// Stands in for Stripe.js: an embedded checkout, and a payment intent that a customer confirms. It calls the sandbox's
// API as Stripe.js calls Stripe's, with the publishable key and the client secret.
window.Stripe = (key) => {
  const base = {{ address | tojson }};

  const framed = (path, title) => {
    const frame = document.createElement("iframe");
    frame.src = base + path;
    frame.title = title;
    frame.style.cssText = "width: 100%; min-height: 36rem; border: 0";
    return frame;
  };
  const onWord = (frame, word, done) => {
    const listen = ({ source, data }) => { if (source === frame.contentWindow && data === word) done(); };
    window.addEventListener("message", listen);
    return () => window.removeEventListener("message", listen);
  };

  const createEmbeddedCheckoutPage = async ({ fetchClientSecret, clientSecret, onComplete }) => {
    const secret = clientSecret ?? await fetchClientSecret();
    const frame = framed(`embedded/${encodeURIComponent(secret)}`, "Checkout");
    const forget = onWord(frame, "complete", () => onComplete?.());
    return {
      mount: (place) => (typeof place === "string" ? document.querySelector(place) : place).append(frame),
      unmount: () => frame.remove(),
      destroy: () => { forget(); frame.remove(); },
    };
  };
  const initEmbeddedCheckout = () => { throw new Error("initEmbeddedCheckout is now createEmbeddedCheckoutPage"); };

  const call = async (method, secret, path, fields) => {
    const params = new URLSearchParams({ key, client_secret: secret, ...fields });
    const url = `${base}stripe/v1/payment_intents/${secret.split("_secret_")[0]}${path}`;
    const answer = await (method === "GET" ? fetch(`${url}?${params}`) : fetch(url, { method, body: params }));
    const body = await answer.json();
    return answer.ok ? { paymentIntent: body } : { error: body.error };
  };
  const retrievePaymentIntent = (secret) => call("GET", secret, "", {});

  const handleNextAction = async ({ clientSecret }) => {
    const found = await retrievePaymentIntent(clientSecret);
    if (found.error) return found;
    if (found.paymentIntent.status !== "requires_action") throw new Error("the PaymentIntent needs no action");
    const frame = framed(`authenticate/${encodeURIComponent(clientSecret)}`, "Your bank");
    await new Promise((resolve) => { onWord(frame, "authenticated", resolve); document.body.append(frame); });
    frame.remove();
    const { paymentIntent } = await retrievePaymentIntent(clientSecret);
    const failed = paymentIntent.status === "requires_payment_method";
    return failed ? { error: paymentIntent.last_payment_error } : { paymentIntent };
  };
  const confirmPayment = async ({ elements, clientSecret, confirmParams, redirect }) => {
    if (redirect !== "if_required" && !confirmParams?.return_url) throw new Error("confirmPayment needs a return_url");
    const secret = clientSecret ?? elements.secret;
    const fields = { return_url: confirmParams.return_url, use_stripe_sdk: "true" };
    const found = await call("POST", secret, "/confirm", { ...fields, payment_method: confirmParams.payment_method ?? elements.chosen() });
    return found.paymentIntent?.status === "requires_action" ? handleNextAction({ clientSecret: secret }) : found;
  };

  const CARDS = [
    ["pm_card_visa", "A card that pays"], ["pm_card_chargeCustomerFail", "A card that is declined"],
    ["pm_card_authenticationRequired", "A card whose bank asks"], ["pm_usBankAccount_success", "A bank account"],
  ];
  const elements = ({ clientSecret }) => {
    const select = document.createElement("select");
    select.ariaLabel = "Payment method";
    select.append(...CARDS.map(([value, text]) => new Option(text, value)));
    const mount = (place) => (typeof place === "string" ? document.querySelector(place) : place).append(select);
    const create = (kind) => {
      if (kind !== "payment") throw new Error(`the sandbox has no element ${kind}`);
      return { mount, unmount: () => select.remove(), destroy: () => select.remove() };
    };
    return { create, secret: clientSecret, chosen: () => select.value };
  };

  return {
    createEmbeddedCheckoutPage, initEmbeddedCheckout,
    retrievePaymentIntent, handleNextAction, confirmPayment, elements,
  };
};
