// Ticked rows: a range with shift, the page, or everything that matches; the bar appears with the first tick.
const bar = document.getElementById("bulk");
const boxes = () => [...document.querySelectorAll("[data-select]")];
let last = null;

function show() {
  const all = boxes();
  const ticked = all.filter((box) => box.checked).length;
  const page = document.querySelector("[data-select-page]");
  if (page) {
    page.checked = ticked > 0 && ticked === all.length;
    page.indeterminate = ticked > 0 && ticked < all.length;
  }
  for (const box of all) box.closest("tr").classList.toggle("ticked", box.checked);
  bar.classList.toggle("active", ticked > 0);
  bar.querySelector("[data-selected]").textContent = `${ticked} selected`;
  if (!ticked && bar.elements.scope) bar.elements.scope.value = "selected";
}

if (bar) {
  document.addEventListener("click", (event) => {
    const box = event.target.closest("[data-select]");
    if (!box) return;
    const all = boxes();
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
    if (event.shiftKey && from >= 0) for (const other of all.slice(from, to + 1)) other.checked = box.checked;
    last = box;
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-page]")) for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.matches("[data-select-page], [data-select]")) show();
  });
  addEventListener("pageshow", show);
  show();
}
