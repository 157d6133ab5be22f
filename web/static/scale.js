// Maps values to positions on a plot and back, and finds round values for its axes.

// A scale from [low, high] to [begin, end] in px; logarithmic where asked.
export function scale([low, high], [begin, end], { log = false } = {}) {
  const bend = log ? Math.log10 : (value) => value;
  const unbend = log ? (value) => 10 ** value : (value) => value;
  const span = bend(high) - bend(low) || 1;
  const place = (value) => begin + ((bend(value) - bend(low)) / span) * (end - begin);
  place.value = (px) => unbend(bend(low) + ((px - begin) / (end - begin)) * span);
  return place;
}

// Round values within a range, about `most` of them.
export function ticks(low, high, most, { whole = false } = {}) {
  const rough = (high - low || 1) / most;
  const size = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((factor) => factor * size).find((one) => one >= rough);
  if (whole) step = Math.max(1, step);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) found.push(round(at * step));
  return found;
}

// The same for a logarithmic axis: 1, 2 and 5 times each power of ten, or evenly spaced ones if these are too few.
export function logTicks(low, high, most) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const factor of [1, 2, 5]) {
      const value = round(factor * 10 ** power);
      if (value >= low && value <= high) found.push(value);
    }
  }
  return found.length >= 3 ? found : ticks(low, high, most);
}

const round = (value) => Number(value.toPrecision(12));
