// Light, dark, or as the system; times in UTC or in local time. Both choices are cookies, so that the server's first
// byte is already right.
const root = document.documentElement;
root.classList.add("js");

const buttons = document.querySelectorAll("[data-theme-choice]");

function keep(name, value) {
  document.cookie = `${name}=${value};path=/;max-age=${value ? 365 * 86400 : 0};samesite=lax`;
}

function show() {
  const choice = root.dataset.theme ?? "auto";
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
}

for (const button of buttons) {
  button.addEventListener("click", () => {
    const choice = button.dataset.themeChoice;
    if (choice === "auto") delete root.dataset.theme;
    else root.dataset.theme = choice;
    keep("theme", choice === "auto" ? "" : choice);
    show();
  });
}
show();

document.querySelector("[data-zone]")?.addEventListener("click", () => {
  const local = /(^|; )zone=[^;]/.test(document.cookie);
  keep("zone", local ? "" : Intl.DateTimeFormat().resolvedOptions().timeZone);
  location.reload();
});
