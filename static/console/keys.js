// Single keys. Off in fields and with modifiers; the help dialog (?) turns them off for this browser.
const dialog = document.getElementById("keys");
const box = document.getElementById("keys-on");
const stored = "batchyard.keys";

box.checked = localStorage.getItem(stored) !== "off";
box.addEventListener("change", () => localStorage.setItem(stored, box.checked ? "on" : "off"));
document.querySelector("[data-keys-help]")?.addEventListener("click", () => dialog.showModal());

function move(step) {
  const links = [...document.querySelectorAll("[data-row] .title")];
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + step, 0), links.length - 1);
  links[next].focus();
  links[next].scrollIntoView({ block: "nearest" });
}

const acts = {
  "/": () => {
    const field = document.querySelector("[data-search]");
    field?.focus();
    field?.select();
  },
  j: () => move(1),
  k: () => move(-1),
  r: () => document.querySelector("[data-refresh]")?.click(),
  "?": () => dialog.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (!box.checked || event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  if (event.target.closest("input, select, textarea, [contenteditable]")) return;
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
