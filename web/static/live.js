// Keeps a live page fresh: fetches it again when something happened (or every few seconds) and swaps the parts that changed.
// Without this script the page reloads itself.
"use strict";
const live = document.querySelector("[data-live]");
const source = live.dataset.live ? new EventSource(live.dataset.live) : null;
// Least time between two fetches, ms: a training's page costs the server more, and its figures move slower than text.
const pace = Number(live.dataset.pace || 2000);
let wanted = false;
let busy = false;

// Swaps a part's content where it changed. What was unfolded stays so; a part in which something else has the focus waits.
function swap(part, next) {
  const folds = [...part.querySelectorAll("details")];
  const open = folds.map((fold) => fold.open);
  const focused = folds.findIndex((fold) => fold.querySelector("summary") === document.activeElement);
  if (focused < 0 && part.contains(document.activeElement)) return;
  next.querySelectorAll("details").forEach((fold, place) => (fold.open = open[place] ?? fold.open));
  if (part.innerHTML === next.innerHTML) return;
  part.innerHTML = next.innerHTML;
  if (focused >= 0) part.querySelectorAll("details")[focused]?.querySelector("summary").focus();
}

async function refresh() {
  if (busy || document.hidden) {
    wanted = true;
    return;
  }
  busy = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of live.querySelectorAll("[data-part]")) {
      const next = fresh.getElementById(part.id);
      if (part.isConnected && next) swap(part, next);
    }
    if (!fresh.querySelector("[data-live]")) stop();
  } finally {
    setTimeout(() => {
      busy = false;
      if (wanted) {
        wanted = false;
        refresh();
      }
    }, pace);
  }
}

document.addEventListener("visibilitychange", refresh);

function stop() {
  source?.close();
  clearInterval(clock);
  document.removeEventListener("visibilitychange", refresh);
}

const clock = setInterval(refresh, source ? 5000 : 3000);
if (source) {
  for (const kind of ["status", "progress", "metric", "sample", "text", "log", "done", "reset"]) {
    source.addEventListener(kind, refresh);
  }
  source.addEventListener("done", () => source.close());
}
