// Copy buttons, also those that come later with a live region; with the old way where there is no clipboard API.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "sr";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await copy(button.dataset.copy);
  const use = button.querySelector("use");
  const drawing = use.getAttribute("href");
  if (drawing.endsWith("#check")) return;
  use.setAttribute("href", drawing.replace("#copy", "#check"));
  button.classList.add("copied");
  setTimeout(() => {
    use.setAttribute("href", drawing);
    button.classList.remove("copied");
  }, 1500);
});
