// The page of one offer: opens the checkout, and follows what becomes of the payment.
const main = document.querySelector("[data-portal]");
const here = main.dataset.portal;
const LOOK = 1500;
const wait = () => new Promise((resolve) => setTimeout(resolve, LOOK));

async function ask(path, options) {
  const answer = await fetch(`${here}/${path}`, { cache: "no-store", ...options });
  if (!answer.ok && answer.status < 500) throw new Error(`${path}: ${answer.status}`);
  return answer.ok ? answer.json() : {};
}

// The address of the offer itself shows every state: a page that comes back from paying goes there once it has one.
async function follow() {
  for (;;) {
    await wait();
    const { state } = await ask("state").catch((error) => (error instanceof TypeError ? {} : Promise.reject(error)));
    if (state && state !== main.dataset.state) {
      location.replace(here);
      return;
    }
  }
}

async function clientSecret() {
  const { run } = await ask("session", { method: "POST" });
  if (!run) throw new Error("no session was asked for");
  for (;;) {
    const found = await ask(`state?run=${encodeURIComponent(run)}`);
    if (found.client_secret) return found.client_secret;
    if (found.ended || (found.state && found.state !== "open")) throw new Error("there is no session");
    await wait();
  }
}

async function open(place) {
  try {
    const secret = await clientSecret();
    const checkout = await window.Stripe(place.dataset.key).createEmbeddedCheckoutPage({ clientSecret: secret });
    checkout.mount("#checkout");
  } catch (error) {
    document.querySelector("#otherwise").hidden = false;
    console.warn(error);
  }
}

const place = document.querySelector("#checkout");
if (place) open(place);
if (["open", "preparing", "done", "confirming"].includes(main.dataset.view)) follow();
