// The first page: what a text and the options would make, while they are chosen. Without this script a button asks.
import { swap } from "./parts.js";
import { codePoints, number } from "./words.js";

// Quiet time after the last key before the server is asked, ms.
const QUIET_MS = 350;
// The shortest text that stream takes, as shared/requests/fit.py has it.
const MIN_CHARS = 1000;

// Keeps a recipe's figures those of its options.
function estimating(form) {
  const look = form.querySelector("[data-look]");
  look.hidden = true;
  const { formAction } = look.querySelector("button");
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
      // Another key was faster, or the server is away: it checks again when the form is sent.
    }
  }

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, QUIET_MS);
  });
}

// Says what is about to be sent, and takes files that are dropped.
function sending(form) {
  const { file, text } = form.elements;
  const most = Number(form.dataset.mostBytes);
  const told = (field) => {
    const line = Object.assign(document.createElement("p"), { className: "hint told" });
    line.setAttribute("role", "status");
    field.after(line);
    return line;
  };
  const aboutFile = told(file);
  const aboutText = told(text);

  file.addEventListener("change", () => {
    const [one] = file.files;
    const large = one && one.size > most;
    aboutFile.classList.toggle("fine", !large);
    aboutFile.textContent = large ? `${number(one.size / 1e6)} MB; ${number(most / 1e6)} MB are the most.` : "";
  });
  text.addEventListener("input", () => {
    const count = codePoints(text.value);
    aboutText.classList.toggle("fine", count >= MIN_CHARS);
    aboutText.textContent = count ? `${number(count)} characters${count < MIN_CHARS ? `; ${number(MIN_CHARS)} are the fewest` : ""}.` : "";
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

document.querySelectorAll("[data-recipe]").forEach(estimating);
document.querySelectorAll("[data-sending]").forEach(sending);
