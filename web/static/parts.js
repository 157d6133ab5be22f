// Replaces parts of a page by those that the server now renders, so that markup is in the templates only.

// Minimum time between two fetches of a page, ms.
const PACE_MS = 1000;
const TYPED = "input, textarea, select";

// Replaces a part's content if it changed. Open details stay open and the focus is kept; a part with a focused field waits,
// and one that events update (data-keep) stays as it is.
export function swap(part, next) {
  if ("keep" in part.dataset && "keep" in next.dataset) return;
  const open = [...part.querySelectorAll("details")].map((fold) => fold.open);
  next.querySelectorAll("details").forEach((fold, place) => (fold.open = open[place] ?? fold.open));
  if (part.innerHTML === next.innerHTML && part.className === next.className) return;
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  if (focused?.matches(TYPED)) return;
  const words = focused?.textContent;
  const kind = focused?.localName;
  part.replaceChildren(...document.importNode(next, true).childNodes);
  part.className = next.className;
  if (!("keep" in next.dataset)) delete part.dataset.keep;
  if (!focused) return;
  const same = [...part.querySelectorAll(kind)].find((one) => one.textContent === words);
  (same || part.querySelector("summary, a, button") || document.getElementById("main")).focus();
}

// Keeps the parts of a page up to date. `address` is the page to fetch; `root` contains the parts on this one. `seen` is called
// with each page that was fetched.
export class Parts {
  constructor(root, address = location.href, seen = () => {}) {
    Object.assign(this, { root, address, seen, busy: false, wanted: false });
  }

  // Fetches the page and replaces what changed; a call during a fetch causes another one after it.
  async refresh() {
    this.wanted = true;
    if (this.busy || document.hidden) return;
    this.busy = true;
    this.wanted = false;
    try {
      const answer = await fetch(this.address, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.statusText);
      if (new URL(answer.url).pathname === "/login") return location.reload(); // the session has ended: sign in and return
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const next of fresh.querySelectorAll("[data-part]")) {
        const part = this.root.querySelector(`[data-part="${next.dataset.part}"]`);
        if (part) swap(part, next);
      }
      this.seen(fresh);
    } catch {
      this.wanted = true; // the server is down for a moment
    } finally {
      setTimeout(() => {
        this.busy = false;
        if (this.wanted) this.refresh();
      }, PACE_MS);
    }
  }
}
