// Numbers as the other formats of the report say them: three significant digits and a unit.

const grouped = (digits) => digits.replace(/\B(?=(\d{3})+(?!\d))/g, ",");

function number(value) {
  const size = Math.abs(value);
  const text = value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
  const [whole, fraction = ""] = text.split(".");
  const rest = fraction.replace(/0+$/, "");
  return grouped(whole) + (rest ? "." + rest : "");
}

const count = (n) => grouped(String(n));

function scaled(value, units) {
  let chosen = units[0];
  for (const unit of units) {
    if (Math.abs(value) / unit[0] >= 0.9995) chosen = unit;
  }
  return `${number(value / chosen[0])} ${chosen[1]}`;
}

const seconds = (value) => scaled(value, [[1e-6, "µs"], [1e-3, "ms"], [1, "s"]]);
const micros = (value) => seconds(value / 1e6);
const bytes = (value) =>
  scaled(value, [[1, "B"], [1024, "KiB"], [1048576, "MiB"], [1073741824, "GiB"], [1099511627776, "TiB"]]);
const percent = (share) => `${number(share * 100)} %`;
const cores = (value) => `${number(value)} cores`;
const counted = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;

// An instant of the run: 12.25 s, 3:05, 2:03:05.
function clock(value) {
  if (value < 120) return `${number(value)} s`;
  const whole = Math.round(value);
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

const STAGES = { kubernetes: "Kubernetes", destination: "destination", end_to_end: "end to end" };
const DIRECTIONS = { add: "additions", remove: "removals" };
