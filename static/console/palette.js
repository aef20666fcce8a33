// The palette (Ctrl+K): the search page's answer beside the present page, and the parts of the console by name.
const palette = document.getElementById("palette");
const form = palette.querySelector("form");
const field = form.querySelector("input");
const found = palette.querySelector("[data-palette-found]");
const pages = palette.querySelector("[data-palette-pages]");
const says = palette.querySelector("[data-palette-says]");
const PAUSE = 150; // milliseconds without a key before the text is searched for
let timer = 0;
let asked = new AbortController();

const links = () => [...palette.querySelectorAll("a[href]")];

function open() {
  palette.showModal();
  field.select();
  show();
}

// The parts of the console whose name has the text.
function showPages(text) {
  const parts = [...document.querySelectorAll(".sections [data-go]")];
  const named = parts.filter((part) => part.textContent.toLowerCase().includes(text.toLowerCase()));
  pages.replaceChildren(
    ...named.map((part) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = part.href;
      link.className = "title";
      link.textContent = part.textContent;
      item.append(link);
      return item;
    }),
  );
}

async function show() {
  asked.abort();
  const text = field.value.trim();
  showPages(text);
  if (!text) {
    found.replaceChildren();
    says.textContent = "";
    return;
  }
  asked = new AbortController();
  const address = `${form.action}?${new URLSearchParams({ q: text })}`;
  try {
    const answer = await fetch(address, { headers: { "X-Requested-With": "fragment" }, signal: asked.signal });
    const html = await answer.text();
    const fresh = new DOMParser().parseFromString(html, "text/html").body;
    const region = fresh.querySelector("#found");
    for (const element of region?.querySelectorAll("[id]") ?? []) element.id = `palette-${element.id}`;
    for (const element of region?.querySelectorAll("[aria-labelledby]") ?? [])
      element.setAttribute("aria-labelledby", `palette-${element.getAttribute("aria-labelledby")}`);
    found.replaceChildren(...document.importNode(region ?? fresh, true).childNodes);
    const total = Number(region?.dataset.total ?? 0);
    says.textContent = total === 1 ? "1 thing found" : `${total} things found`;
  } catch (error) {
    if (error.name !== "AbortError") says.textContent = found.textContent = "The portal does not answer.";
  }
}

function move(step) {
  const stops = [field, ...links()];
  const at = stops.indexOf(document.activeElement);
  stops[(Math.max(at, 0) + step + stops.length) % stops.length].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) {
    event.preventDefault();
    if (palette.open) palette.close();
    else if (!document.querySelector("dialog[open]")) open();
  }
});
palette.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    event.preventDefault(); // else a search field with a text is emptied, and the palette stays
    palette.close();
    return;
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  move(step);
});
palette.addEventListener("click", (event) => event.target === palette && palette.close());
field.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(show, PAUSE);
});
form.addEventListener("submit", (event) => field.value.trim() || event.preventDefault());
