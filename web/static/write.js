// The writing page: generated text appears next to the form. Without this script the form leads to the job's page.
import { JobView } from "./jobview.js";
import { dial, marking } from "./prompt.js";

const sheet = document.querySelector("[data-sheet]");
const PARTS = ["state", "link", "progress", "actions", "texts", "seed"];
// Most earlier texts that stay on the page.
const MAX_EARLIER = 12;
// Items that a model of a list is asked for unless another number is typed.
const COUNT = 100;
let view = null;

const parse = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");

function ready(form) {
  marking(form);
  dial(form);
  offering(form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    write(form);
  });
}

// Offers a model of a list to write items.
function offering(form) {
  const { model_id: model, "items.count": count } = form.elements;
  model.addEventListener("change", () => {
    const list = "list" in model.selectedOptions[0].dataset;
    form.querySelector("[data-items]").open = list;
    count.value = list ? count.value || COUNT : "";
  });
}

// Sends the form; shows the new job, or the form with its errors.
async function write(form) {
  const button = form.querySelector("button:not([type])");
  if (button.ariaDisabled) return;
  button.ariaDisabled = "true"; // a disabled one would lose the focus
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const page = await parse(answer);
    if (page.querySelector("[data-job]")) return show(page);
    const next = page.querySelector("[data-write]");
    if (!next) return document.body.replaceChildren(...page.body.childNodes); // signed out, or the form has expired
    form.replaceWith(document.adoptNode(next));
    ready(next);
    next.querySelector("[role=alert] a")?.focus();
  } catch {
    form.submit(); // the browser shows what is wrong
  } finally {
    button.ariaDisabled = null;
  }
}

// Shows a job's text and keeps it up to date; the text shown before goes below.
function show(page) {
  const { job, after, ended } = page.querySelector("[data-job]").dataset;
  keep();
  const work = document.createElement("article");
  work.className = "work";
  Object.assign(work.dataset, { job, after });
  for (const name of PARTS) {
    const part = page.querySelector(`[data-part="${name}"], [data-${name}]`);
    if (part) work.append(document.adoptNode(part));
  }
  const more = document.createElement("p");
  more.className = "quiet";
  more.innerHTML = `<a href="/jobs/${job}">The job’s page</a>`;
  work.append(more);
  work.addEventListener("click", again);
  sheet.prepend(work);
  history.replaceState(null, "", `/write?job=${job}`);
  if (ended === undefined) view = new JobView(work);
  if (innerWidth < 1024) work.scrollIntoView({ block: "start" });
}

// Folds the current text away.
function keep() {
  const work = sheet.querySelector(".work");
  view?.end();
  view = null;
  if (!work) return sheet.replaceChildren();
  const fold = document.createElement("details");
  fold.className = "fold earlier";
  const title = document.createElement("summary");
  const text = work.querySelector(".written, .items td:nth-child(2)")?.textContent.trim() || "";
  title.innerHTML = `Seed <code></code> <bdi class="quiet"></bdi>`;
  title.querySelector("code").textContent = work.querySelector('[data-part="seed"] code')?.textContent || "";
  title.querySelector("bdi").textContent = [...text].slice(0, 60).join("");
  const link = work.lastElementChild;
  fold.append(title, work.querySelector('[data-part="texts"]'), link);
  work.replaceWith(fold);
  [...sheet.querySelectorAll(".earlier")].slice(MAX_EARLIER).forEach((one) => one.remove());
}

// Sends the form again, with the seed of this text or a new one.
function again(event) {
  const link = event.target.closest("[data-again]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const form = document.querySelector("[data-write]");
  form.elements.seed.value = link.dataset.again === "new" ? "" : link.dataset.again;
  form.requestSubmit();
}

ready(document.querySelector("[data-write]"));
if (sheet.dataset.show) {
  const answer = await fetch(`/jobs/${sheet.dataset.show}`);
  if (answer.ok) show(await parse(answer));
}
