// One job on a page, kept up to date: events change its figures and its text; everything else is fetched again when an event
// changes it, and every few seconds while the job waits.
import { Parts } from "./parts.js";
import { follow, isLater } from "./stream.js";
import { duration, loss, number, percent } from "./words.js";

// Events after which parts of the page are fetched again: their markup is in the templates only.
const REFRESHING = ["status", "sample", "log", "done", "reset"];
// Seconds between two looks at the queue and the workers, while the job waits.
const QUEUE_S = 5;
// Most items that are shown while further ones are written.
const COMING = 100;

export class JobView {
  // `root` contains the job's parts; `chart` draws its losses, if it has any; `polls`: poll instead of opening a stream.
  constructor(root, { chart = null, polls = false } = {}) {
    Object.assign(this, { root, chart, title: document.title });
    const { job, after } = root.dataset;
    this.measured = []; // losses that a page being fetched may not have in its table
    this.parts = new Parts(root, `/jobs/${job}`, (page) => this.see(page));
    this.began = this.elapsed();
    this.loadedAt = Date.now();
    this.clock = setInterval(() => this.tick(), 1000);
    this.end = follow(job, after, (kind, data, id) => this.receive(kind, data, id), { linked: (whether) => this.link(whether), polls });
    root.addEventListener("submit", (event) => this.submit(event));
  }

  receive(kind, data, id) {
    if (kind === "progress") this.progress(data);
    else if (kind === "metric") this.measure({ id, data });
    else if (kind === "text") this.text(data);
    else if (kind === "items") this.items(data);
    if (kind === "reset" || (kind === "status" && data.status === "running")) this.staleSince = id;
    if (kind === "gone") this.stop();
    if (REFRESHING.includes(kind)) this.parts.refresh();
  }

  measure(event) {
    this.measured.push(event);
    this.chart?.add(event.data);
  }

  // Takes over a page that was fetched again. Events that came meanwhile follow its table.
  see(page) {
    const fresh = page.querySelector("[data-job]");
    if (!fresh) return;
    const { after, ended } = fresh.dataset;
    if (fresh.querySelector("h1")) this.title = page.title;
    this.measured = this.measured.filter(({ id }) => isLater(id, after));
    if ((this.staleSince && !isLater(this.staleSince, after)) || ended !== undefined) {
      this.staleSince = null;
      this.chart?.reread(page);
      for (const { data } of this.measured) this.chart?.add(data);
    }
    if (ended !== undefined) this.stop();
    const { next } = fresh.dataset; // where to continue after an upload
    if (next && new URLSearchParams(location.search).has("then")) location.replace(next);
  }

  stop() {
    this.end();
    clearInterval(this.clock);
    if (this.root.contains(document.querySelector("h1"))) document.title = this.title;
    this.link(true);
    this.root.dataset.ended = "";
  }

  link(whether) {
    const note = this.root.querySelector("[data-link]");
    if (note) note.hidden = whether;
  }

  progress({ progress: now, metrics }) {
    const of = (part, whole) => (part === null || !whole ? null : `${number(part)} of ${number(whole)}`);
    this.figure("epoch", of(now.epoch, now.total_epochs));
    this.figure("step", of(now.step, now.total_steps));
    this.figure("speed", now.chars_per_second && number(now.chars_per_second));
    this.figure("left", now.eta_seconds === null ? null : duration(now.eta_seconds));
    for (const bar of this.root.querySelectorAll("progress")) {
      bar.value = now.fraction;
      bar.nextElementSibling.textContent = percent(now.fraction);
    }
    if (this.root.contains(document.querySelector("h1"))) document.title = `${percent(now.fraction)} · ${this.title}`;
    if (!metrics) return;
    this.figure("train_loss", metrics.train_loss === null ? null : loss(metrics.train_loss));
    this.figure("validation_loss", metrics.validation_loss === null ? null : loss(metrics.validation_loss));
    const best = metrics.best_loss === null ? null : loss(metrics.best_loss);
    this.figure("best", best && (metrics.best_epoch ? `${best} in epoch ${metrics.best_epoch}` : best));
    this.chart?.mark(metrics.best_epoch);
    this.chart?.compare(metrics.baselines);
  }

  figure(name, said) {
    const place = this.root.querySelector(`[data-figure="${name}"]`);
    if (!place) return;
    place.hidden = !said;
    place.querySelector("dd").textContent = said || "";
  }

  elapsed() {
    const place = this.root.querySelector('[data-figure="time"]');
    return place?.dataset.seconds ? Number(place.dataset.seconds) : null;
  }

  // Shows the time that the job has run, between two looks at the server's clock.
  tick() {
    this.ticks = (this.ticks || 0) + 1;
    if (this.ticks % QUEUE_S === 0 && this.root.querySelector(".state.queued")) this.parts.refresh();
    const elapsed = this.elapsed();
    if (elapsed !== this.began) [this.began, this.loadedAt] = [elapsed, Date.now()];
    if (elapsed !== null) this.figure("time", duration(elapsed + (Date.now() - this.loadedAt) / 1000));
  }

  // Puts generated characters in their place: a further attempt overwrites what the one before it wrote.
  text({ index, offset, delta }) {
    const place = this.root.querySelector(`[data-index="${index}"] .text`);
    if (!place) return;
    const held = (this.written ??= new Map());
    const characters = held.get(place) || [...place.textContent];
    held.set(place, characters);
    const follows = offset === characters.length && place.lastChild;
    characters.length = Math.min(characters.length, offset);
    characters.push(...delta);
    if (follows) place.lastChild.appendData(delta);
    else place.textContent = characters.join("");
  }

  // Puts the newest items first.
  items({ items }) {
    const list = this.root.querySelector("[data-coming]");
    if (!list) return;
    const rows = items.map((text) => Object.assign(document.createElement("li"), { dir: "auto", textContent: text }));
    list.prepend(...rows.reverse());
    while (list.children.length > COMING) list.lastChild.remove();
  }

  // Stops the job without leaving the page.
  async submit(event) {
    if (!event.target.action.endsWith("/cancel")) return;
    event.preventDefault();
    const button = event.target.querySelector("button");
    if (button.ariaDisabled) return;
    button.ariaDisabled = "true"; // a disabled one would lose the focus
    try {
      await fetch(event.target.action, { method: "POST", body: new FormData(event.target), redirect: "manual" });
    } catch {
      button.ariaDisabled = null;
    }
    this.parts.refresh();
  }
}
