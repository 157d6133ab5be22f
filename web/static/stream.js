// Follows a job's events by a stream (SSE), or by polling if no stream can be had.
//
// A stream is refused (503) when as many are open as the server allows, and breaks off when the server restarts. The
// browser reconnects by itself after a break; after a refusal this module polls for pages of the same events instead, and
// tries a stream again now and then. It continues after the last event it has passed on, so that none is lost. A hidden page
// keeps no stream open: browsers allow six connections to one host.

const KINDS = ["status", "progress", "metric", "sample", "text", "items", "log", "done", "reset"];
// Time between two polls, and before a stream is tried again, ms.
const POLL_MS = 1000;
const RETRY_MS = 15000;

// Returns true if an event's id (milliseconds and a count) comes after another one.
export function isLater(id, other) {
  const [ms, count] = id.split("-").map(Number);
  const [otherMs, otherCount] = other.split("-").map(Number);
  return ms > otherMs || (ms === otherMs && count > otherCount);
}

// Follows a job after an event. Calls `emit(kind, data, id)` for each event; one without an id gets that of the event before
// it. Calls `linked(whether)` when the connection is made or lost. `polls`: only poll, where one page follows many jobs.
// Returns a function that ends it.
export function follow(jobId, after, emit, { linked = () => {}, polls = false } = {}) {
  const address = `/api/v1/jobs/${jobId}/events`;
  let last = after;
  let ended = false;
  let source = null;
  let timer = 0;
  let triedAt = 0;

  function receive(kind, id, data) {
    if (ended) return;
    if (id) last = id;
    emit(kind, data, last);
    if (kind === "done") end();
  }

  function open() {
    triedAt = Date.now();
    source = new EventSource(`${address}?after=${last}`);
    source.addEventListener("open", () => linked(true));
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => receive(kind, event.lastEventId, JSON.parse(event.data)));
    }
    source.addEventListener("error", () => {
      if (ended) return;
      if (source.readyState !== EventSource.CLOSED) return linked(false); // the browser reconnects by itself
      close();
      poll();
    });
  }

  async function poll() {
    if (ended || document.hidden) return;
    try {
      const answer = await fetch(`${address}?after=${last}`, { headers: { Accept: "application/json" } });
      if (answer.status === 401) return location.reload(); // the session has ended: sign in and return
      if (answer.status === 404) return emit("gone", {}), end(); // the job has expired
      if (!answer.ok) throw new Error(answer.statusText);
      const page = await answer.json();
      linked(true);
      for (const event of page.data) receive(event.type, event.id, event.data);
      if (page.has_more) return poll();
    } catch {
      linked(false);
    }
    if (!ended) timer = setTimeout(!polls && Date.now() - triedAt > RETRY_MS ? open : poll, POLL_MS);
  }

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function turn() {
    close();
    if (!document.hidden) polls ? poll() : open();
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
