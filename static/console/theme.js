// Light, dark, or as the system. The choice is a cookie, so that the server's first byte is already in its colours.
const root = document.documentElement;
root.classList.add("js");

const buttons = document.querySelectorAll("[data-theme-choice]");

function show() {
  const choice = root.dataset.theme ?? "auto";
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
}

for (const button of buttons) {
  button.addEventListener("click", () => {
    const choice = button.dataset.themeChoice;
    if (choice === "auto") delete root.dataset.theme;
    else root.dataset.theme = choice;
    const age = choice === "auto" ? 0 : 365 * 86400;
    document.cookie = `theme=${choice};path=/;max-age=${age};samesite=lax`;
    show();
  });
}
show();
