// The page of one invoice: its payment intent is confirmed with the bank, or paid by another method. Loaded after
// portal.js, which follows the state. Stripe.js asks the bank: docs.stripe.com/js/payment_intents.
const payment = document.querySelector("#payment");
const again = document.querySelector("#again");
const other = document.querySelector("#other");
const back = { return_url: `${location.origin}${here}/done` };

function say(text) {
  const said = document.querySelector("#said");
  said.textContent = text;
  said.hidden = !text;
}

function lock(locked) {
  for (const button of payment.querySelectorAll("button")) button.disabled = locked;
}

// What is confirmed is what the page shows: Togai may ask for less by now, or for nothing.
async function isAsked() {
  const { state, amount } = await ask("state");
  const same = state === "open" && amount === main.dataset.amount;
  if (!same) location.replace(here);
  return same;
}

async function attempt(stripe, secret, how) {
  lock(true);
  say("");
  try {
    if (!(await isAsked())) return;
    const { error, paymentIntent } = await how();
    if (!error && ["succeeded", "processing"].includes(paymentIntent.status)) {
      location.replace(`${here}/done`);
      return;
    }
    await offer(stripe, secret);
    say(error?.message ?? "Your bank has not confirmed the payment. Try again, or pay by another method.");
  } catch (problem) {
    say("Something went wrong. Load the page again to see whether you have paid.");
    console.warn(problem);
  }
  lock(false);
}

// What the customer can do about the intent as it is now.
async function offer(stripe, secret) {
  const { paymentIntent, error } = await stripe.retrievePaymentIntent(secret);
  if (error) throw new Error(error.message);
  if (["succeeded", "processing"].includes(paymentIntent.status)) {
    location.replace(`${here}/done`);
    return;
  }
  const failed = paymentIntent.last_payment_error;
  const asked = failed?.code === "authentication_required" ? failed.payment_method?.id : undefined;
  const waits = paymentIntent.status === "requires_action";
  again.hidden = !waits && !asked;
  again.querySelector("button").onclick = () => attempt(stripe, secret, () => (waits
    ? stripe.handleNextAction({ clientSecret: secret })
    : stripe.confirmPayment({ clientSecret: secret, confirmParams: { ...back, payment_method: asked }, redirect: "if_required" })));
  if (waits || !other.hidden) return;
  const elements = stripe.elements({ clientSecret: secret });
  elements.create("payment").mount("#method");
  other.hidden = false;
  other.onsubmit = (event) => {
    event.preventDefault();
    attempt(stripe, secret, () => stripe.confirmPayment({ elements, confirmParams: back, redirect: "if_required" }));
  };
}

async function begin() {
  try {
    const secret = await clientSecret();
    await offer(window.Stripe(payment.dataset.key), secret);
  } catch (error) {
    document.querySelector("#otherwise").hidden = false;
    console.warn(error);
  }
}

if (payment) begin();
