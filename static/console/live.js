// Live pages: fetch the regions of this very address and swap those that changed. Only while the page says that
// something on it is still moving; paused while nobody looks, while somebody types, and while a dialog is open.
const page = document.querySelector("[data-live-page]");
const note = document.querySelector("[data-live-note]");
const seen = new Map(); // region id -> the HTML that the server sent last
let tag = "";
let updated = Date.now();
let timer = 0;

const every = () => Number(document.querySelector("[data-live]")?.dataset.live ?? 0);

function pausedBecause() {
  if (document.hidden) return "hidden";
  if (document.querySelector("dialog[open], details.more[open]")) return "paused";
  if (document.activeElement?.matches("input, select, textarea")) return "paused while you type";
  if (String(getSelection())) return "paused while text is selected";
  return "";
}

function tell() {
  if (!note || !every()) {
    if (note) note.textContent = "";
    return;
  }
  const seconds = Math.round((Date.now() - updated) / 1000);
  const age = seconds < 2 ? "Updated just now" : `Updated ${seconds} s ago`;
  const why = pausedBecause();
  note.textContent = why ? `${age} · ${why}` : age;
}

function swap(html) {
  const incoming = new DOMParser().parseFromString(html, "text/html");
  const focused = document.activeElement?.id;
  for (const region of [...incoming.body.children].filter((element) => element.id)) {
    const old = document.getElementById(region.id);
    if (!old || seen.get(region.id) === region.outerHTML) continue;
    seen.set(region.id, region.outerHTML);
    old.replaceWith(document.importNode(region, true));
  }
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

async function refresh() {
  const headers = { "X-Requested-With": "fragment" };
  if (tag) headers["If-None-Match"] = tag;
  try {
    const answer = await fetch(location.href, { headers, cache: "no-store", redirect: "error" });
    if (answer.status === 401) {
      page.insertAdjacentHTML("afterbegin", await answer.text());
      for (const element of document.querySelectorAll("[data-live]")) delete element.dataset.live;
      page.firstElementChild.scrollIntoView({ block: "center" });
    } else if (answer.ok) {
      tag = answer.headers.get("ETag") ?? "";
      swap(await answer.text());
    } else if (answer.status !== 304) {
      throw new Error(String(answer.status));
    }
    updated = Date.now();
  } catch {
    if (note) note.textContent = "The portal does not answer; trying again.";
  }
}

function later() {
  clearTimeout(timer);
  if (every()) timer = setTimeout(turn, every());
}

async function turn() {
  if (!pausedBecause()) await refresh();
  later();
}

if (page) {
  setInterval(tell, 1000);
  document.addEventListener("visibilitychange", () => document.hidden || turn());
  document.querySelector("[data-refresh]")?.addEventListener("click", async (event) => {
    event.preventDefault();
    tag = "";
    await refresh();
    later();
    tell();
  });
  later();
}
