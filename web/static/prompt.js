// Marks the unknown characters of a prompt before it is sent, and adds a slider for the temperature.
import { codePoints, number } from "./words.js";

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });
// Most unknown characters that are named.
const MAX_NAMED = 5;
// Time until a server that didn't answer is asked again, and that an answer may take, ms.
const AGAIN_MS = 2000;
const ANSWER_MS = 10000;

const named = (character) => {
  const code = `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  return /[\p{C}\p{Z}\p{M}]/u.test(character) ? code : `${character} (${code})`;
};

// Counts a prompt's characters and marks those that the model never saw, while it is typed.
export function marking(form) {
  const area = form.elements.prompt;
  form.querySelector("[data-marked]")?.remove(); // the server's marks, which don't change while typing
  const behind = document.createElement("div");
  behind.className = "behind prose";
  behind.setAttribute("aria-hidden", "true");
  behind.dir = "auto";
  const frame = document.createElement("div");
  frame.className = "mirror";
  const focused = document.activeElement === area;
  area.replaceWith(frame);
  frame.append(behind, area);
  if (focused) area.focus(); // being moved took it; the selection stays
  const notice = document.createElement("p");
  notice.className = "hint problem";
  notice.setAttribute("role", "status");
  const count = document.createElement("p");
  count.className = "hint count number";
  frame.after(notice, count);
  let model = null;

  const isKnown = (character) => {
    const lower = model.params.lowercase === false ? character : character.toLowerCase();
    return [...lower].every((one) => model.known.has(one)) || (lower === "σ" && model.known.has("ς"));
  };
  // The server gives a letter the Unicode form that the model knows (shared/text/prompt.py).
  const unknownOf = (segment) => {
    const forms = [segment, segment.normalize("NFC"), segment.normalize("NFD")];
    return forms.some((form) => [...form].every(isKnown)) ? [] : [...segment].filter((one) => !isKnown(one));
  };

  function check() {
    const text = area.value;
    const lowered = model && model.params.lowercase !== false && text !== text.toLowerCase();
    count.textContent = text ? `${number(codePoints(text))} characters${lowered ? ", read in lower case like the model’s text" : ""}` : "";
    behind.replaceChildren();
    if (!model) return (notice.textContent = "");
    const strange = new Set();
    for (const { segment } of segmenter.segment(text)) {
      const unknown = unknownOf(segment);
      unknown.forEach((one) => strange.add(one));
      const last = behind.lastChild;
      if (!unknown.length) last?.nodeType === 3 ? last.appendData(segment) : behind.append(segment);
      else if (last?.localName === "mark") last.textContent += segment;
      else behind.append(Object.assign(document.createElement("mark"), { className: "strange", textContent: segment }));
    }
    behind.append("\n "); // gives an empty last line the same height as in the text area
    behind.scrollTop = area.scrollTop;
    say([...strange]);
  }

  function say(strange) {
    const names = strange.slice(0, MAX_NAMED).map(named).join(", ");
    const more = strange.length > MAX_NAMED ? ` and ${strange.length - MAX_NAMED} more` : "";
    const drops = form.elements.unknown_chars.value === "drop";
    const said = strange.length ? `The model never saw ${names}${more}. ${drops ? "They will be removed." : ""}` : "";
    if (notice.dataset.said === said) return;
    notice.dataset.said = said;
    notice.textContent = said;
    if (!said || drops) return;
    const button = Object.assign(document.createElement("button"), { type: "button", className: "tool", textContent: "Remove them" });
    button.addEventListener("click", () => {
      const without = ({ segment }) => (unknownOf(segment).length ? [...segment].filter(isKnown).join("") : segment);
      area.value = Array.from(segmenter.segment(area.value), without).join("");
      check();
      area.focus();
    });
    notice.append(button);
  }

  async function fetchModel() {
    const id = form.elements.model_id.value;
    const answer = await fetch(`/api/v1/models/${id}`, { signal: AbortSignal.timeout(ANSWER_MS) });
    if (form.elements.model_id.value !== id) return;
    if (answer.status >= 500) throw new Error(answer.statusText);
    model = answer.ok ? await answer.json() : null;
    if (model) model.known = new Set(model.vocabulary);
    check();
  }

  // Until the vocabulary is known, only the server can mark characters.
  const load = () => fetchModel().catch(() => setTimeout(load, AGAIN_MS));

  area.addEventListener("input", check);
  area.addEventListener("scroll", () => (behind.scrollTop = area.scrollTop));
  form.elements.unknown_chars.addEventListener("change", check);
  form.elements.model_id.addEventListener("change", load);
  load();
  check();
}

// Adds a slider to the temperature, and marks its effect on the scale below.
export function dial(form) {
  const box = form.elements.temperature;
  const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 2.5, step: 0.05 });
  slider.setAttribute("aria-label", "Temperature, as a slider");
  box.before(slider);
  const steps = [...form.querySelectorAll(".scale li")];

  function mark() {
    const value = Number(box.value.trim() || box.placeholder);
    const here = steps.filter((step) => value >= Number(step.dataset.from)).at(-1);
    for (const step of steps) step.toggleAttribute("aria-current", step === here);
    slider.value = value;
    slider.setAttribute("aria-valuetext", here ? `${value}: ${here.lastChild.textContent.trim()}` : value);
  }

  slider.addEventListener("input", () => {
    box.value = Number(slider.value);
    mark();
  });
  box.addEventListener("input", mark);
  mark();
}
