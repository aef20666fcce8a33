// Live pages: fetch the regions of this very address that changed, and swap them. Only while the page says that something on
// it is still moving; paused while the page is hidden, while a field has the focus, rows are ticked or a dialog is open.
// The ETag names the regions that the page has: the server sends only the others, or 304 if there are none.
const page = document.querySelector("[data-live-page]");
const note = document.querySelector("[data-live-note]");
const summary = document.querySelector("[data-live-summary]");
const seen = new Map(); // region id -> the HTML that the server sent last
let tag = "";
let updated = Date.now();
let timer = 0;

const every = () => Number(document.querySelector("[data-live]")?.dataset.live ?? 0);
const says = () => document.querySelector("[data-says]")?.dataset.says;
const stops = (element) => [...element.querySelectorAll("a, button, input, summary, [tabindex]")];

function pausedBecause() {
  if (document.hidden) return "hidden";
  if (document.querySelector("[data-select]:checked")) return "paused while rows are selected";
  if (document.querySelector("dialog[open], details.more[open], details.menu[open], details.data[open]")) return "paused";
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

// Where the focus is: the nearest element with an id that the new HTML will have too, and the how many-th stop in it.
function place() {
  const active = document.activeElement;
  const holder = active?.closest("[data-live-page] [id]");
  return holder && { id: holder.id, at: stops(holder).indexOf(active) };
}

function replace(old, fresh) {
  const scrolled = [...old.querySelectorAll(".table-wrap")].map((wrap) => wrap.scrollLeft);
  old.replaceWith(fresh);
  fresh.querySelectorAll(".table-wrap").forEach((wrap, at) => (wrap.scrollLeft = scrolled[at] ?? 0));
}

function swap(html) {
  const incoming = new DOMParser().parseFromString(html, "text/html");
  const focused = place();
  const said = says();
  for (const region of [...incoming.body.children].filter((element) => element.id)) {
    const old = document.getElementById(region.id);
    if (!old || seen.get(region.id) === region.outerHTML) continue;
    seen.set(region.id, region.outerHTML);
    replace(old, document.importNode(region, true));
  }
  const holder = focused && !document.activeElement?.closest("[data-live-page]") && document.getElementById(focused.id);
  if (holder) (stops(holder)[focused.at] ?? holder).focus({ preventScroll: true });
  if (summary && says() !== said) summary.textContent = says();
  document.dispatchEvent(new Event("swapped")); // ended.js looks for batches that ended
}

async function refresh() {
  const headers = { "X-Requested-With": "fragment" };
  if (tag) headers["If-None-Match"] = headers["X-Known-Regions"] = tag;
  try {
    const answer = await fetch(location.href, { headers, cache: "no-store", redirect: "error" });
    if (answer.status === 401) {
      page.insertAdjacentHTML("afterbegin", await answer.text());
      for (const element of document.querySelectorAll("[data-live]")) delete element.dataset.live;
      page.firstElementChild.scrollIntoView({ block: "center" });
    } else if (answer.ok || answer.status === 304) {
      if (answer.ok) swap(await answer.text());
      tag = answer.headers.get("ETag") ?? "";
    } else {
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
