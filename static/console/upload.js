// The form of a new batch: shows how far the upload is, and keeps the chosen file when something else is wrong.
// Without this script the same form is sent by the browser.
const form = document.getElementById("new-batch");
const fields = ["form-errors", "project-field", "endpoint-field", "provider-field", "window-field", "execution-field", "remark-field", "file-field", "paste-field", "guard-fields"];

function element(selector) {
  return form.querySelector(selector);
}

// As the server writes sizes (batches/rules/sizes.py).
function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const [value, unit] = bytes < 1024 ** 2 ? [bytes / 1024, "KiB"] : bytes < 1024 ** 3 ? [bytes / 1024 ** 2, "MiB"] : [bytes / 1024 ** 3, "GiB"];
  return `${value.toFixed(1).replace(/\.0$/, "")} ${unit}`;
}

function adopt(html, ids) {
  const incoming = new DOMParser().parseFromString(html, "text/html");
  for (const id of ids) {
    const fresh = incoming.getElementById(id);
    if (!fresh) continue;
    const chosen = element(`#${id} input[type=file]`);
    document.getElementById(id).replaceWith(document.importNode(fresh, true));
    if (chosen) element(`#${id} input[type=file]`).replaceWith(chosen);
  }
}

function busy(yes) {
  element("[data-upload]").hidden = !yes;
  element("[data-submit]").disabled = yes;
}

function refuse(message) {
  busy(false);
  const paragraph = document.createElement("p");
  paragraph.className = "note error";
  paragraph.setAttribute("role", "alert");
  paragraph.textContent = message;
  element("#form-errors").replaceChildren(paragraph);
  paragraph.scrollIntoView({ block: "center" });
}

form.addEventListener("submit", (event) => {
  const file = element("input[type=file]").files[0];
  if (!file || event.submitter?.formMethod === "get") return;
  event.preventDefault();
  if (file.size > Number(form.dataset.maxBytes)) {
    refuse(`The file has ${size(file.size)}; a batch may have ${size(Number(form.dataset.maxBytes))}.`);
    return;
  }
  const bar = element("[data-upload] progress");
  const words = element("[data-upload] [role=status]");
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("X-Requested-With", "fragment");
  request.upload.addEventListener("progress", (progress) => {
    bar.value = Math.floor((100 * progress.loaded) / progress.total);
    words.textContent = progress.loaded < progress.total ? `${size(progress.loaded)} of ${size(progress.total)}` : "Stored; now it is checked…";
  });
  request.addEventListener("load", () => {
    const landed = request.status === 201 && request.getResponseHeader("Location");
    if (landed) {
      location.assign(landed);
      return;
    }
    busy(false);
    if ([413, 422, 400, 409].includes(request.status)) adopt(request.responseText, fields);
    else if (request.status === 401) refuse("You are signed out. Sign in in another tab, then send the form again.");
    else refuse(`The portal answered ${request.status}. Nothing was kept.`);
    element(".wrong-text, .note.error")?.scrollIntoView({ block: "center" });
  });
  request.addEventListener("error", () => refuse("The upload was interrupted. Nothing was kept."));
  bar.value = 0;
  words.textContent = "";
  busy(true);
  request.send(new FormData(form));
});

async function offerProviders() {
  const query = new URLSearchParams({ project: form.elements.project.value, endpoint: form.elements.endpoint.value });
  const answer = await fetch(`${form.action}?${query}`, { headers: { "X-Requested-With": "fragment" } });
  if (answer.ok) adopt(await answer.text(), ["provider-field", "execution-field"]);
}

function wasChanged(choice) {
  const options = [...(choice.options ?? [])];
  return options.length && choice.selectedOptions[0] !== (options.find((option) => option.defaultSelected) ?? options[0]);
}

form.addEventListener("change", (event) => {
  if (["project", "endpoint"].includes(event.target.name)) offerProviders();
});
// Somebody may have chosen before this script was there, or the browser may have kept their choice.
if (wasChanged(form.elements.project) || wasChanged(form.elements.endpoint)) offerProviders();

element("[data-add-metadata]").addEventListener("click", () => {
  const rows = document.getElementById("metadata-rows");
  const row = rows.lastElementChild.cloneNode(true);
  for (const input of row.querySelectorAll("input")) input.value = "";
  rows.append(row);
  row.querySelector("input").focus();
});
