// Follows a job's events: as they come (SSE), and where that can't be had by asking for them again and again.
//
// A stream is refused (503) when as many are open as the server allows, and breaks off when the server restarts. The
// browser comes back by itself after a break; after a refusal this module asks for pages of the same events instead, and
// tries a stream again now and then. It goes on after the last event it has told, so that none is missed or lost. A page
// that nobody sees holds no stream: browsers allow six connections to one host.

const KINDS = ["status", "progress", "metric", "sample", "text", "log", "done", "reset"];
// Time between two questions, ms, and before a stream is tried again.
const ASK_MS = 1000;
const RETRY_MS = 15000;

// Whether an event's id (milliseconds and a count) comes after another's.
export function isLater(id, other) {
  const [ms, count] = id.split("-").map(Number);
  const [otherMs, otherCount] = other.split("-").map(Number);
  return ms > otherMs || (ms === otherMs && count > otherCount);
}

// Follows a job from an event on. `tell(kind, data, id)` hears of each event, or of
// what has no id with that of the one before it; `linked(whether)` of the connection; `asks` says
// to ask only, where one page follows many jobs. Returns how to end it.
export function follow(jobId, after, tell, { linked = () => {}, asks = false } = {}) {
  const address = `/api/v1/jobs/${jobId}/events`;
  let last = after;
  let ended = false;
  let source = null;
  let timer = 0;
  let triedAt = 0;

  function hear(kind, id, data) {
    if (ended) return;
    if (id) last = id;
    tell(kind, data, last);
    if (kind === "done") end();
  }

  function open() {
    triedAt = Date.now();
    source = new EventSource(`${address}?after=${last}`);
    source.addEventListener("open", () => linked(true));
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => hear(kind, event.lastEventId, JSON.parse(event.data)));
    }
    source.addEventListener("error", () => {
      if (ended) return;
      if (source.readyState !== EventSource.CLOSED) return linked(false); // the browser comes back by itself
      close();
      ask();
    });
  }

  async function ask() {
    if (ended || document.hidden) return;
    try {
      const answer = await fetch(`${address}?after=${last}`, { headers: { Accept: "application/json" } });
      if (answer.status === 401) return location.reload(); // the session is over: sign in, come back here
      if (answer.status === 404) return tell("gone", {}), end(); // long forgotten
      if (!answer.ok) throw new Error(answer.statusText);
      const page = await answer.json();
      linked(true);
      for (const event of page.data) hear(event.type, event.id, event.data);
      if (page.has_more) return ask();
    } catch {
      linked(false);
    }
    if (!ended) timer = setTimeout(!asks && Date.now() - triedAt > RETRY_MS ? open : ask, ASK_MS);
  }

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function turn() {
    close();
    if (!document.hidden) asks ? ask() : open();
  }

  function end() {
    ended = true;
    close();
    document.removeEventListener("visibilitychange", turn);
  }

  document.addEventListener("visibilitychange", turn);
  turn();
  return end;
}
