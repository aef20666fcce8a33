// Announces the end of each batch that this page shows as open: spoken, as a note that can be dismissed, in the title of the
// window, and as a notification of the browser if the person turned that on. While the page is hidden nothing is swapped;
// then only the question which batches have ended is asked, four times a minute.
const toasts = document.querySelector("[data-toasts]");
const spoken = document.querySelector("[data-announced]");
const button = document.querySelector("[data-notify]");
const title = document.title;
const stored = "batchyard.notify";
const watched = new Set();
const told = new Set();

const open = () => new Set([...document.querySelectorAll("[data-open]")].map((element) => element.dataset.open));
const notifies = () => "Notification" in window && Notification.permission === "granted" && localStorage.getItem(stored) === "on";

function watch() {
  for (const id of open()) if (!told.has(id)) watched.add(id);
  button.hidden = !("Notification" in window) || !watched.size;
  button.setAttribute("aria-pressed", String(notifies()));
}

function retitle() {
  const [first, second] = toasts.children;
  const own = first?.querySelector("a").pathname === location.pathname;
  const words = second ? `${toasts.children.length} batches ended` : own ? first.dataset.word : first?.dataset.title;
  document.title = words ? `${words} · ${title}` : title;
}

function notify(toast) {
  const note = new Notification(toast.dataset.title, { body: toast.querySelector("[data-words]").textContent, tag: toast.dataset.ended });
  note.addEventListener("click", () => window.focus());
}

function announce(fresh) {
  for (const toast of fresh) {
    watched.delete(toast.dataset.ended);
    told.add(toast.dataset.ended);
    toasts.append(toast);
    if (document.hidden && notifies()) notify(toast);
  }
  while (toasts.children.length > 5) toasts.firstElementChild.remove();
  if (fresh.length) spoken.textContent = fresh.map((toast) => toast.querySelector("p").textContent.replace(/\s+/g, " ")).join(" ");
  retitle();
}

// The batches of these that have ended; null if the portal did not answer.
async function ended(ids) {
  const query = new URLSearchParams(ids.map((id) => ["batch", id]));
  const headers = { "X-Requested-With": "fragment" };
  const answer = await fetch(`${toasts.dataset.toasts}?${query}`, { headers, cache: "no-store", redirect: "error" }).catch(() => null);
  if (!answer?.ok) return null;
  const incoming = new DOMParser().parseFromString(await answer.text(), "text/html");
  return [...incoming.querySelectorAll("[data-ended]")].filter((toast) => !told.has(toast.dataset.ended)).map((toast) => document.importNode(toast, true));
}

async function look(ids) {
  const found = ids.length ? await ended(ids.slice(0, 100)) : null;
  if (found) announce(found);
  return found !== null;
}

// A batch that the page no longer shows as open has ended, or has left the page.
document.addEventListener("swapped", async () => {
  const present = open();
  const gone = [...watched].filter((id) => !present.has(id));
  if (await look(gone)) for (const id of gone) watched.delete(id);
  watch();
});

setInterval(() => document.hidden && look([...watched]), 15_000);

toasts.addEventListener("click", (event) => {
  const toast = event.target.closest("[data-dismiss]")?.closest(".toast");
  if (!toast) return;
  const next = toast.nextElementSibling ?? toast.previousElementSibling;
  toast.remove();
  (next?.querySelector("[data-dismiss]") ?? document.getElementById("content")).focus({ preventScroll: true });
  retitle();
});

button.addEventListener("click", async () => {
  const on = notifies();
  if (!on && (await Notification.requestPermission()) !== "granted") {
    button.textContent = "Notifications are blocked in this browser";
    return;
  }
  localStorage.setItem(stored, on ? "off" : "on");
  watch();
});

watch();
