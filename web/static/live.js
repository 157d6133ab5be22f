// Keeps a list up to date: fetches the page every few seconds and replaces the parts that changed. Without this script the
// page reloads itself.
import { Parts } from "./parts.js";

const EVERY_MS = 3000;
const root = document.querySelector("[data-live]");
const parts = new Parts(root, location.href, (fresh) => {
  if (!fresh.querySelector("[data-live]")) clearInterval(clock);
});
const clock = setInterval(() => parts.refresh(), EVERY_MS);
document.addEventListener("visibilitychange", () => document.hidden || parts.refresh());
