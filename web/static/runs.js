// The losses of runs, read from the page's tables: the curve shows what the tables do.
import { loss, number, tenths } from "./words.js";

export const LOSSES = { train_loss: "training", validation_loss: "validation", evaluation_loss: "evaluation" };
const SAID = { step: number, epoch: number, seconds: tenths, evaluation_sum: number };

// One table: a row per measurement, the newest first.
export class Run {
  constructor(table) {
    this.table = table;
    this.name = table.dataset.name;
    const columns = table.tHead.rows[0].dataset.columns.split(" ");
    // The table's head has the names of losses that people read.
    const fields = Object.fromEntries(Object.entries(LOSSES).map(([field, said]) => [said, field]));
    this.columns = columns.map((column) => fields[column] || column);
    this.read();
  }

  get best() {
    return this.table.dataset.best ? Number(this.table.dataset.best) : null;
  }

  // Losses that need no network, as the service has them; null where there are none.
  get baselines() {
    return this.table.dataset.baselines ? JSON.parse(this.table.dataset.baselines) : null;
  }

  // Reads the rows of the table, oldest first.
  read() {
    this.rows = [...this.table.tBodies[0].rows].reverse().map((line) => {
      const value = (cell) => (cell.dataset.value === "" ? null : Number(cell.dataset.value));
      return Object.fromEntries(this.columns.map((column, place) => [column, value(line.cells[place])]));
    });
  }

  // Adds a measurement. A training that continues in another process repeats those after its checkpoint.
  add(row) {
    const body = this.table.tBodies[0];
    while (this.rows.length && this.rows.at(-1).step > row.step) {
      this.rows.pop();
      body.deleteRow(0);
    }
    const last = this.rows.at(-1);
    if (last?.step === row.step && Object.keys(LOSSES).every((field) => (last[field] ?? null) === (row[field] ?? null))) {
      return;
    }
    this.rows.push(Object.fromEntries(this.columns.map((column) => [column, row[column] ?? null])));
    const line = body.insertRow(0);
    for (const column of this.columns) {
      const cell = line.insertCell();
      const value = row[column] ?? null;
      cell.dataset.value = value ?? "";
      cell.textContent = value === null ? "–" : (SAID[column] || loss)(value);
    }
  }

  // The measured losses as points along "epoch", "step" or "seconds".
  series(along) {
    const length = this.epochLength();
    const x = { step: (row) => row.step, seconds: (row) => row.seconds, epoch: (row) => row.step / length }[along];
    return Object.entries(LOSSES).flatMap(([field, said]) => {
      const rows = this.columns.includes(field) ? this.rows.filter((row) => row[field] !== null) : [];
      return rows.length ? [{ run: this, kind: said, points: rows.map((row) => ({ x: x(row), y: row[field], row })) }] : [];
    });
  }

  // Steps per epoch, computed from the last epoch that was evaluated; null before the first one.
  epochLength() {
    const row = this.rows.findLast((one) => one.epoch && (one.validation_loss ?? one.evaluation_loss ?? null) !== null);
    return row ? row.step / row.epoch : null;
  }
}
