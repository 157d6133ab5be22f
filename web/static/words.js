// Formats figures as web/pages/formatting.py and shared/sizes.py do.
const UNITS = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

export const number = (value) => Math.round(value).toLocaleString("en-US");
export const percent = (share) => `${Math.round(share * 100)}\u00a0%`;
export const loss = (value) => value.toFixed(3);
export const tenths = (value) => value.toFixed(1);

// Formats a time in its largest unit or two: "2 minutes 5 seconds".
export function duration(seconds) {
  if (seconds < 0.1) return "under 0.1 seconds";
  if (seconds < 10) return `${seconds.toFixed(1)} seconds`;
  const said = [];
  let left = Math.round(seconds);
  for (const [length, name] of UNITS) {
    const count = Math.floor(left / length);
    left %= length;
    if (count || (length === 1 && !said.length)) said.push(`${count} ${name}${count === 1 ? "" : "s"}`);
  }
  return said.slice(0, 2).join(" ");
}

// Formats bytes in binary units: "1.2 MiB", "256 MiB".
export function size(bytes) {
  const power = Math.min(3, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${(bytes / 1024 ** power).toFixed(1).replace(".0", "")} ${["bytes", "KiB", "MiB", "GiB"][power]}`;
}

// Counts code points, as the service does, not UTF-16 code units.
export const codePoints = (text) => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};
