// Switches notifications on and off for this browser.

const place = document.querySelector("[data-push]");
const says = place?.querySelector("[data-push-says]");
const on = place?.querySelector("[data-push-on]");
const off = place?.querySelector("[data-push-off]");

/** Show whether notifications are on. */
function show(subscription) {
  says.textContent = subscription ? "Notifications are on." : "Notifications are off.";
  on.hidden = Boolean(subscription);
  off.hidden = !subscription;
}

/** Tell the server; with an error that can be shown if it doesn't like it. */
async function tell(method, body) {
  const answer = await fetch("/push/subscriptions", {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
}

async function switchOn(worker) {
  if ((await Notification.requestPermission()) !== "granted") {
    throw new Error("this browser doesn't allow it: look at the settings of this page");
  }
  const key = place.dataset.push;
  const subscription = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  await tell("POST", subscription);
  return subscription;
}

async function switchOff(worker) {
  const subscription = await worker.pushManager.getSubscription();
  if (subscription) {
    await tell("DELETE", { endpoint: subscription.endpoint });
    await subscription.unsubscribe();
  }
  return null;
}

/** Log out of notifications, too: who uses this browser next is somebody else. */
function switchOffWithLogOut(worker) {
  const form = document.querySelector("form[action='/auth/logout']");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await switchOff(worker).catch(() => {}); // no reason to stay logged in
    form.submit();
  });
}

async function start() {
  if (!("serviceWorker" in navigator) || !("PushManager" in window)) {
    says.textContent = "This browser can't do that.";
    return;
  }
  await navigator.serviceWorker.register("/sw.js");
  const worker = await navigator.serviceWorker.ready;
  const when = (button, change) =>
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        show(await change(worker));
      } catch (error) {
        says.textContent = `That didn't work: ${error.message}.`;
      } finally {
        button.disabled = false;
      }
    });
  when(on, switchOn);
  when(off, switchOff);
  switchOffWithLogOut(worker);
  const subscription = await worker.pushManager.getSubscription();
  // It may be of somebody who was logged in here before: it is whose browser this is now.
  if (subscription) await tell("POST", subscription);
  show(subscription);
}

if (place) {
  start().catch((error) => {
    says.textContent = `That didn't work: ${error.message}.`;
  });
}
