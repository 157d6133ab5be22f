// Draws a chart: axes, lines and the best epochs. Knows values and positions, no pointer and no keyboard.
import { logTicks, scale, ticks } from "./scale.js";

export const LEFT = 46, RIGHT = 14, TOP = 12, BOTTOM = 30;
const SVG = "http://www.w3.org/2000/svg";
// The loss that a run is judged by: the first of these that it has.
const JUDGED = ["validation", "evaluation", "training"];
// Space above and below the lines, as a share of their range, or as a factor on a logarithmic axis.
const MARGIN = 0.04, MARGIN_FACTOR = 1.03;

export function make(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function html(markup) {
  const template = document.createElement("template");
  template.innerHTML = markup;
  return template.content.firstElementChild;
}

// The losses of one run differ by colour; of several, the runs do.
export function classesOf(run, kind, runs) {
  return `${kind} run-${runs.indexOf(run)}${runs.length > 1 ? " many" : ""}`;
}

export class Drawing {
  // `shown` is the range of x; `series` are the visible lines of `all`; `log` asks for a logarithmic axis. `baselines` are those
  // of the only run, or null; the n-gram model's is always in sight when the `whole` x axis is.
  constructor({ width, height, shown, series, all, log, baselines, whole }) {
    Object.assign(this, { width, height, shown, series, baselines });
    this.x = scale(shown, [LEFT, width - RIGHT]);
    const within = ({ x }) => x >= shown[0] && x <= shown[1];
    let ys = series.flatMap(({ points }) => points.filter(within).map(({ y }) => y));
    if (!ys.length) ys = all.flatMap(({ points }) => points.map(({ y }) => y));
    if (baselines && whole) ys.push(baselines.ngram.loss);
    const [least, most] = [Math.min(...ys), Math.max(...ys)];
    this.log = log && least > 0;
    const margin = (most - least) * MARGIN || 0.01;
    this.range = this.log ? [least / MARGIN_FACTOR, most * MARGIN_FACTOR] : [least - margin, most + margin];
    this.y = scale(this.range, [height - BOTTOM, TOP], { log: this.log });
  }

  *axes() {
    const { width, height, shown, range } = this;
    const format = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 4 });
    for (const value of (this.log ? logTicks : ticks)(...range, Math.max(2, height / 44))) {
      const at = this.y(value);
      yield make("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: at, y2: at });
      yield make("text", { class: "tick", x: LEFT - 8, y: at + 4, "text-anchor": "end" }, format.format(value));
    }
    for (const value of ticks(...shown, Math.max(2, width / 80), { whole: shown[1] - shown[0] > 4 })) {
      yield make("text", { class: "tick", x: this.x(value), y: height - BOTTOM + 19, "text-anchor": "middle" }, format.format(value));
    }
  }

  // The baselines, with their names at different places.
  *levels() {
    if (!this.baselines) return;
    const { ngram, xz, unigram } = this.baselines;
    const right = this.width - RIGHT;
    for (const [name, value, x, anchor] of [[`${ngram.order}-gram`, ngram.loss, LEFT + 6, "start"], ["xz", xz, right - 96, "end"], ["unigram", unigram, right - 6, "end"]]) {
      if (value < this.range[0] || value > this.range[1]) continue;
      const at = this.y(value);
      yield make("line", { class: "level", x1: LEFT, x2: right, y1: at, y2: at });
      yield make("text", { class: "tick level", x, y: at - 4, "text-anchor": anchor }, `${name} ${value.toFixed(2)}`);
    }
  }

  // The lines, clipped to the frame.
  lines() {
    const inside = { x: LEFT, y: TOP - 4, width: this.width - LEFT - RIGHT + 4, height: this.height - TOP - BOTTOM + 8 };
    const frame = make("svg", { ...inside, viewBox: Object.values(inside).join(" "), class: "inside" });
    for (const { classes, points } of this.series) {
      const path = points.map(({ x, y }) => `${this.x(x).toFixed(1)},${this.y(y).toFixed(1)}`).join(" ");
      const last = points.at(-1);
      frame.append(make("polyline", { class: `line ${classes}`, points: path }));
      frame.append(make("circle", { class: `end ${classes}`, cx: this.x(last.x), cy: this.y(last.y), r: 3 }));
    }
    return frame;
  }

  *bests(runs) {
    for (const run of runs) {
      const own = this.series.filter((one) => one.run === run);
      const judged = JUDGED.map((kind) => own.find((one) => one.kind === kind)).find(Boolean);
      const best = judged?.points.findLast(({ row }) => row.epoch === run.best);
      if (!best || best.x < this.shown[0] || best.x > this.shown[1]) continue;
      const at = this.x(best.x);
      if (runs.length === 1) yield make("line", { class: "best", x1: at, x2: at, y1: TOP, y2: this.height - BOTTOM });
      yield make("circle", { class: `best ${judged.classes}`, cx: at, cy: this.y(best.y), r: 5 });
    }
  }
}
