// Shows a text's findings on its page: fetches their own page until the text is examined.
import { Parts } from "./parts.js";

const EVERY_MS = 2000;
const panel = document.querySelector("[data-findings]");
const parts = new Parts(panel, panel.dataset.findings, (fresh) => {
  if (!fresh.querySelector("[data-live]")) clearInterval(clock);
});
const clock = setInterval(() => parts.refresh(), EVERY_MS);
parts.refresh();
