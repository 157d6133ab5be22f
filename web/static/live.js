// Keeps a live page fresh: fetches it again when something happened (or every few seconds) and swaps the parts that changed.
// Without this script the page reloads itself.
"use strict";
const live = document.querySelector("[data-live]");
const source = live.dataset.live ? new EventSource(live.dataset.live) : null;
let wanted = false;
let busy = false;

async function refresh() {
  if (busy) {
    wanted = true;
    return;
  }
  busy = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of live.querySelectorAll("[data-part]")) {
      const next = fresh.getElementById(part.id);
      if (part.isConnected && next && !part.contains(document.activeElement) && part.innerHTML !== next.innerHTML) {
        part.innerHTML = next.innerHTML;
      }
    }
    if (!fresh.querySelector("[data-live]")) stop();
  } finally {
    setTimeout(() => {
      busy = false;
      if (wanted) {
        wanted = false;
        refresh();
      }
    }, 500);
  }
}

function stop() {
  source?.close();
  clearInterval(clock);
}

const clock = setInterval(refresh, source ? 5000 : 3000);
if (source) {
  for (const kind of ["status", "progress", "metric", "sample", "text", "log", "done", "reset"]) {
    source.addEventListener(kind, refresh);
  }
  source.addEventListener("done", () => source.close());
}
