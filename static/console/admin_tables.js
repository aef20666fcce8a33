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
