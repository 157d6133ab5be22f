// Interactive loss curves of one run or several: hover or arrow keys read values, a drag or + and - zoom, the axis can be
// logarithmic, lines can be hidden. Draws the values of the page's tables in place of the server's curve.
import { BOTTOM, Drawing, TOP, classesOf, html, make } from "./drawing.js";
import { LOSSES, Run } from "./runs.js";
import { number } from "./words.js";

// A drag shorter than this, px, is a click.
const DRAG_PX = 6;

export class Chart {
  constructor(root) {
    this.root = root;
    this.runs = [...root.querySelectorAll("table[data-run]")].map((table) => new Run(table));
    this.hidden = new Set();
    this.log = false;
    this.along = null; // epochs, until the reader chooses
    this.range = null; // of x; null: all of it
    this.at = null; // where values are read
    this.figure = root.querySelector("figure");
    this.waiting = this.figure.querySelector(".waiting");
    this.build();
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  // Adds a new measurement.
  add(row, run = this.runs[0]) {
    run.add(row);
    this.later();
  }

  // Marks an epoch as the best one.
  mark(epoch, run = this.runs[0]) {
    if (epoch === null || run.best === epoch) return;
    run.table.dataset.best = epoch;
    this.later();
  }

  // Draws the losses that need no network.
  compare(baselines, run = this.runs[0]) {
    if (!baselines || run.baselines) return;
    run.table.dataset.baselines = JSON.stringify(baselines);
    this.later();
  }

  // Takes over the tables of a page that was fetched again.
  reread(page) {
    for (const run of this.runs) {
      const fresh = page.querySelector(`table[data-run="${run.table.dataset.run}"]`);
      if (!fresh) continue;
      run.table.tBodies[0].replaceWith(document.importNode(fresh.tBodies[0], true));
      for (const name of ["best", "baselines"]) if (fresh.dataset[name]) run.table.dataset[name] = fresh.dataset[name];
      run.read();
    }
    this.later();
  }

  build() {
    this.tools = html(`<div class="tools">
      <p class="readout" aria-hidden="true"></p>
      <label>Along <select><option value="epoch">epochs</option><option value="step">steps</option><option value="seconds">seconds</option></select></label>
      <button type="button" class="tool" aria-pressed="false">Log axis</button>
      <span class="zoom" role="group" aria-label="Zoom"><button type="button" class="tool" aria-label="Zoom out">−</button><button type="button" class="tool" aria-label="Zoom in">+</button><button type="button" class="tool">All</button></span>
    </div>`);
    this.readout = this.tools.querySelector(".readout");
    const [log, out, into, all] = this.tools.querySelectorAll("button");
    const along = this.tools.querySelector("select");
    along.addEventListener("change", () => {
      Object.assign(this, { along: along.value, range: null, at: null });
      this.draw();
    });
    log.addEventListener("click", () => {
      this.log = !this.log;
      log.setAttribute("aria-pressed", this.log);
      this.draw();
    });
    out.addEventListener("click", () => this.zoom(2));
    into.addEventListener("click", () => this.zoom(0.5));
    all.addEventListener("click", () => this.zoom(Infinity));
    this.plot = html('<div class="plot" role="slider" tabindex="0" aria-label="Loss values"></div>');
    this.svg = make("svg", { "aria-hidden": "true" });
    this.plot.append(this.svg);
    this.legend = html('<p class="legend"></p>');
    const drawing = this.figure.querySelector("svg");
    if (drawing) drawing.replaceWith(this.plot);
    else this.figure.prepend(this.plot);
    this.figure.prepend(this.tools);
    this.figure.querySelector("figcaption").replaceChildren(this.legend);
    this.listen();
  }

  listen() {
    const { plot } = this;
    const px = (event) => event.clientX - plot.getBoundingClientRect().left;
    plot.addEventListener("pointerdown", (event) => {
      if (event.button || !this.x) return;
      this.drag = { from: px(event), to: px(event) };
      if (event.pointerType === "mouse") plot.setPointerCapture(event.pointerId);
    });
    plot.addEventListener("pointermove", (event) => {
      if (!this.x) return;
      if (this.drag) this.drag.to = px(event);
      this.at = this.x.value(px(event));
      this.later();
    });
    plot.addEventListener("pointerup", () => {
      const { drag } = this;
      this.drag = null;
      if (drag && Math.abs(drag.to - drag.from) > DRAG_PX) {
        this.range = this.clip([this.x.value(Math.min(drag.from, drag.to)), this.x.value(Math.max(drag.from, drag.to))]);
      }
      this.draw();
    });
    plot.addEventListener("pointercancel", () => this.leave());
    plot.addEventListener("pointerleave", () => this.drag || this.leave());
    plot.addEventListener("dblclick", () => this.zoom(Infinity));
    plot.addEventListener("blur", () => this.leave());
    plot.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key in steps) this.step(steps[event.key]);
      else if (event.key === "+" || event.key === "=") this.zoom(0.5);
      else if (event.key === "-") this.zoom(2);
      else if (event.key === "0" || event.key === "Escape") this.zoom(Infinity);
      else return;
      event.preventDefault();
    });
  }

  leave() {
    this.at = this.drag = null;
    this.draw();
  }

  // Moves the reading position by some measured points.
  step(count) {
    const places = this.places();
    if (!places.length) return;
    const [low, high] = this.shown();
    const near = this.at === null ? (count > 0 ? -1 : places.length) : places.indexOf(nearest(places, this.at));
    this.at = places[Math.min(places.length - 1, Math.max(0, near + count))];
    if (this.range && (this.at < low || this.at > high)) {
      const by = this.at - (this.at < low ? low : high);
      this.range = this.clip([low + by, high + by]);
    }
    this.draw();
  }

  // Shows more or less of the x axis, around the reading position or the middle.
  zoom(factor) {
    if (!this.x) return;
    const [low, high] = this.shown();
    const middle = this.at !== null && factor < 1 ? this.at : (low + high) / 2;
    const half = ((high - low) * factor) / 2;
    this.range = this.clip([middle - half, middle + half]);
    this.draw();
  }

  clip([low, high]) {
    const [least, most] = this.whole();
    if (low <= least && high >= most) return null;
    const span = Math.max(high - low, (most - least) / 2000);
    const begin = Math.max(least, Math.min(low, most - span));
    return [begin, Math.min(most, begin + span)];
  }

  whole() {
    const xs = this.series.flatMap(({ points }) => [points[0].x, points.at(-1).x]);
    return [Math.min(...xs), Math.max(...xs)];
  }

  shown() {
    return this.range || this.whole();
  }

  // Every x at which a visible line has a point.
  places() {
    return [...new Set(this.visible().flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  }

  visible() {
    return this.series.filter((one) => !this.hidden.has(this.key(one)));
  }

  key({ run, kind }) {
    return this.runs.length > 1 ? this.runs.indexOf(run) : kind;
  }

  later() {
    this.asked ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.asked);
    this.asked = null;
    const epochs = this.runs.every((run) => run.epochLength() || !run.rows.length);
    const along = this.along || (epochs ? "epoch" : "step");
    this.series = this.runs.filter((run) => along !== "epoch" || run.epochLength()).flatMap((run) => run.series(along));
    for (const one of this.series) one.classes = classesOf(one.run, one.kind, this.runs);
    const ready = new Set(this.series.flatMap(({ points }) => points.map(({ x }) => x))).size > 1;
    this.tools.hidden = this.plot.hidden = !ready;
    if (this.waiting) this.waiting.hidden = ready;
    if (!ready) return;
    this.tools.querySelector("select").value = along;
    this.announce(along);
    const width = this.plot.clientWidth, height = this.plot.clientHeight;
    if (!width) return;
    const baselines = this.runs.length === 1 ? this.runs[0].baselines : null;
    const drawing = new Drawing({ width, height, shown: this.shown(), series: this.visible(), all: this.series, log: this.log, baselines, whole: !this.range });
    this.x = drawing.x;
    this.y = drawing.y;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren(...drawing.axes(), ...drawing.levels(), drawing.lines(), ...drawing.bests(this.runs), ...this.reading(height));
    this.tools.querySelectorAll(".zoom button").forEach((button, place) => (button.disabled = place !== 1 && !this.range));
  }

  // The reading position: a line, a dot on each curve, and the values in words.
  *reading(height) {
    if (this.drag && Math.abs(this.drag.to - this.drag.from) > DRAG_PX) {
      const from = Math.min(this.drag.from, this.drag.to);
      yield make("rect", { class: "chosen", x: from, y: TOP, width: Math.abs(this.drag.to - this.drag.from), height: height - TOP - BOTTOM });
    }
    const [least, most] = this.whole();
    Object.entries({ min: least, max: most, now: most }).forEach(([name, value]) => this.plot.setAttribute(`aria-value${name}`, value));
    this.readout.replaceChildren();
    const places = this.places();
    if (this.at === null || !places.length) {
      this.readout.textContent = "Point at the plot to read values, drag to zoom.";
      this.plot.setAttribute("aria-valuetext", "Arrow keys read values, plus and minus zoom, zero shows all");
      return;
    }
    const at = nearest(places, this.at);
    const along = this.tools.querySelector("select").value;
    yield make("line", { class: "reading", x1: this.x(at), x2: this.x(at), y1: TOP, y2: height - BOTTOM });
    const said = [];
    for (const { run, kind, classes, points } of this.visible()) {
      const point = points.reduce((a, b) => (Math.abs(b.x - at) < Math.abs(a.x - at) ? b : a));
      if (point.x >= this.shown()[0] && point.x <= this.shown()[1]) {
        yield make("circle", { class: `read ${classes}`, cx: this.x(point.x), cy: this.y(point.y), r: 4 });
      }
      if (this.runs.length > 1 && kind === "training") continue;
      said.push([this.runs.length > 1 ? run.name : kind, classes, point.y.toFixed(4)]);
    }
    const where = `${{ epoch: "Epoch", step: "Step", seconds: "Second" }[along]} ${along === "step" ? number(at) : Number(at.toFixed(2))}`;
    this.plot.setAttribute("aria-valuenow", at);
    this.plot.setAttribute("aria-valuetext", [where, ...said.map(([name, , y]) => `${name} ${y}`)].join(", "));
    this.readout.append(where, ...said.map(([name, classes, y]) => {
      const one = html('<span class="key"><bdi></bdi> <b></b></span>');
      one.classList.add(...classes.split(" "));
      one.querySelector("bdi").textContent = name;
      one.querySelector("b").textContent = y;
      return one;
    }));
  }

  // The legend: a button that hides or shows each line or run.
  announce(along) {
    const many = this.runs.length > 1;
    const kinds = Object.values(LOSSES).filter((kind) => this.series.some((one) => one.kind === kind));
    const entries = many ? this.runs.map((run, place) => [place, run.name, `run-${place} many`]) : kinds.map((kind) => [kind, kind, kind]);
    const compared = !many && this.runs[0].baselines;
    const shape = JSON.stringify([entries, along, [...this.hidden], this.runs.map((run) => run.best), compared]);
    if (shape === this.shape) return;
    this.shape = shape;
    const focused = [...this.legend.querySelectorAll("button")].indexOf(document.activeElement);
    const buttons = entries.map(([key, name, classes]) => {
      const button = html(`<button type="button" class="key ${classes}" aria-pressed="${!this.hidden.has(key)}"><bdi></bdi></button>`);
      button.firstElementChild.textContent = name;
      button.addEventListener("click", () => {
        if (!this.hidden.delete(key)) this.hidden.add(key);
        this.draw();
      });
      return button;
    });
    const marks = many ? ['<span class="key plain">validation</span>', '<span class="key plain training">training</span>'] : [];
    if (this.runs.some((run) => run.best)) marks.push('<span class="key best">best</span>');
    if (compared) marks.push('<span class="key level">without a network</span>');
    this.legend.replaceChildren(...buttons, ...marks.map(html), `Mean nats per character, by ${{ seconds: "second of computing" }[along] || along}.`);
    if (focused >= 0) buttons[focused]?.focus();
  }
}

const nearest = (sorted, value) => sorted.reduce((a, b) => (Math.abs(b - value) < Math.abs(a - value) ? b : a));

// Charts by the element that they draw in; a live page passes new values to them.
export const charts = new Map([...document.querySelectorAll("[data-losses]")].map((root) => [root, new Chart(root)]));
