// Single keys. Off in fields and with modifiers; the help dialog (?) turns them off for this browser.
const dialog = document.getElementById("keys");
const box = document.getElementById("keys-on");
const stored = "batchyard.keys";
let going = 0; // until when a letter after g leads to a part of the console

box.checked = localStorage.getItem(stored) !== "off";
box.addEventListener("change", () => localStorage.setItem(stored, box.checked ? "on" : "off"));
document.querySelector("[data-keys-help]")?.addEventListener("click", () => dialog.showModal());

const row = () => document.activeElement?.closest("[data-row]");

function move(step) {
  const links = [...document.querySelectorAll("[data-row] .title")];
  if (!links.length) return;
  const at = links.indexOf(row()?.querySelector(".title"));
  const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + step, 0), links.length - 1);
  links[next].focus();
  links[next].scrollIntoView({ block: "nearest" });
}

const acts = {
  "/": () => {
    const field = document.querySelector("[data-search]") ?? document.querySelector("[data-search-everything]");
    field?.focus();
    field?.select();
  },
  j: () => move(1),
  k: () => move(-1),
  x: (event) => row()?.querySelector("[data-select]")?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, shiftKey: event.shiftKey })),
  r: () => document.querySelector("[data-refresh]")?.click(),
  g: () => (going = Date.now() + 1500),
  "?": () => dialog.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (!box.checked || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (Date.now() < going && key !== "g") {
    going = 0;
    document.querySelector(`[data-go="${CSS.escape(key)}"]`)?.click();
    return;
  }
  const act = acts[key];
  if (!act) return;
  event.preventDefault();
  act(event);
});
