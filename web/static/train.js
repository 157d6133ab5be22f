// The first page: estimates that follow the options, and the upload of a text. Without this script, buttons do both.
import { swap } from "./parts.js";
import { codePoints, number, size } from "./words.js";

// Time after the last key until the server is asked, ms.
const QUIET_MS = 350;
// The shortest text for stream, as in shared/requests/fit.py.
const MIN_CHARS = 1000;

// Keeps a recipe's estimate up to date with its options.
function estimating(form) {
  const button = form.querySelector("[data-estimate]");
  button.hidden = true;
  const { formAction } = button.querySelector("button");
  const part = form.querySelector(`[data-part="estimate-${form.dataset.recipe}"]`);
  let timer = 0;
  let asking = null;

  async function ask() {
    asking?.abort();
    asking = new AbortController();
    try {
      const body = new URLSearchParams(new FormData(form));
      const answer = await fetch(formAction, { method: "POST", body, signal: asking.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector(`[data-part="${part.dataset.part}"]`);
      if (next) swap(part, next);
    } catch {
      // Aborted by another key, or the server is down: the options are checked again when the form is sent.
    }
  }

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, QUIET_MS);
  });
}

// Shows the size of what is about to be uploaded, accepts dropped files, and uploads without leaving the page.
function uploading(form) {
  const { file, text } = form.elements;
  const most = Number(form.dataset.maxBytes);
  const addLine = (field) => {
    const line = Object.assign(document.createElement("p"), { className: "hint problem" });
    line.setAttribute("role", "status");
    field.after(line);
    return line;
  };
  const aboutFile = addLine(file);
  const aboutText = addLine(text);

  file.addEventListener("change", () => {
    const all = [...file.files].reduce((sum, one) => sum + one.size, 0);
    aboutFile.classList.toggle("fine", all <= most);
    aboutFile.textContent = all > most ? `${size(all)}; at most ${size(most)} are allowed.` : "";
  });
  text.addEventListener("input", () => {
    const count = codePoints(text.value);
    aboutText.classList.toggle("fine", count >= MIN_CHARS);
    aboutText.textContent = count ? `${number(count)} characters${count < MIN_CHARS ? `; at least ${number(MIN_CHARS)} are needed` : ""}.` : "";
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    upload(form);
  });
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    file.files = event.dataTransfer.files;
    file.dispatchEvent(new Event("change"));
  });
}

// Sends the form; shows the page with the new text, or what is wrong. A file that was chosen stays chosen.
async function upload(form) {
  const button = form.querySelector("button");
  if (button.ariaDisabled) return;
  button.ariaDisabled = "true"; // a disabled one would lose the focus
  button.textContent = "Uploading…";
  let page;
  try {
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
    button.ariaDisabled = null;
    button.textContent = "Upload";
    if (answer.ok) return location.assign(`${answer.url}#recipes`);
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return form.submit(); // the browser shows what is wrong
  }
  const next = document.adoptNode(page.querySelector("[data-uploading]") || page.body);
  if (next === page.body) return document.body.replaceWith(next); // signed out, or the form has expired
  const field = next.elements.file;
  for (const { name, value } of [...field.attributes]) form.elements.file.setAttribute(name, value);
  field.replaceWith(form.elements.file);
  next.querySelector("[data-without-script]")?.remove();
  form.replaceWith(next);
  uploading(next);
  const errors = document.adoptNode(page.querySelector(".errors"));
  document.querySelector(".errors")?.remove();
  document.querySelector(".lead").after(errors);
  errors.focus();
}

document.querySelectorAll("[data-recipe]").forEach(estimating);
document.querySelectorAll("[data-uploading]").forEach(uploading);
