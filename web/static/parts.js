// Swaps parts of a page for those that the server now renders: templates stay the one place of their markup.

// Least time between two fetches of a page, ms.
const PACE_MS = 1000;
const TYPED = "input, textarea, select";

// Swaps a part's content where it changed. What was unfolded stays so, what has the focus keeps it; a part in which
// somebody types waits, and one that events keep fresh (data-keep) stays as it is.
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

// Keeps the parts of a page fresh. `address` is the page that has them; `root` holds those on this one. `seen` is given
// each page that was fetched.
export class Parts {
  constructor(root, address = location.href, seen = () => {}) {
    Object.assign(this, { root, address, seen, busy: false, wanted: false });
  }

  // Fetches the page and swaps what changed; a call while one is under way has another follow.
  async refresh() {
    this.wanted = true;
    if (this.busy || document.hidden) return;
    this.busy = true;
    this.wanted = false;
    try {
      const answer = await fetch(this.address, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.statusText);
      if (new URL(answer.url).pathname === "/login") return location.reload(); // the session is over: sign in, come back
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const next of fresh.querySelectorAll("[data-part]")) {
        const part = this.root.querySelector(`[data-part="${next.dataset.part}"]`);
        if (part) swap(part, next);
      }
      this.seen(fresh);
    } catch {
      this.wanted = true; // the server is away for a moment
    } finally {
      setTimeout(() => {
        this.busy = false;
        if (this.wanted) this.refresh();
      }, PACE_MS);
    }
  }
}
