// What Django's tables and choices lack to be read on a narrow window, or heard.
// On a narrow window the admin's tables are lists of cards: each cell gets the words of its column beside it.
function label(table) {
  const words = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  for (const row of table.tBodies[0]?.rows ?? []) {
    [...row.cells].forEach((cell, place) => {
      if (words[place] && !cell.dataset.label) cell.dataset.label = words[place];
    });
  }
}

const tables = [...document.querySelectorAll("#result_list, .inline-group table")].filter((table) => table.tHead);
for (const table of tables) {
  label(table);
  if (table.tBodies[0]) new MutationObserver(() => label(table)).observe(table.tBodies[0], { childList: true });
  table.classList.add("cards");
}

// The shown value of a choice that is looked up is called as its field.
function nameChoices() {
  for (const shown of document.querySelectorAll(".select2-selection__rendered:not([aria-label])")) {
    const field = shown.closest(".select2-container").previousElementSibling;
    const label = field?.labels?.[0] ?? shown.closest(".form-row")?.querySelector("label");
    const words = field?.getAttribute("aria-label") || label?.textContent || shown.textContent;
    shown.setAttribute("aria-label", words.trim().replace(/:$/, ""));
  }
}

// Django's script draws choices some time after the page has loaded, and in each row that is added.
nameChoices();
new MutationObserver(nameChoices).observe(document.body, { childList: true, subtree: true });
