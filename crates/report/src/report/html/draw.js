// SVG elements, scales and ticks.

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const px = (value) => Math.round(value * 10) / 10;

// A scale has `of` (value to pixels) and `ticks` (values).
function linear(from, to, low, high) {
  const span = to - from || 1;
  return {
    of: (value) => low + ((value - from) / span) * (high - low),
    ticks: (most) => steps(from, to, nice((to - from) / most)),
  };
}

// Logarithmic; what is smaller than `from`, as 0 is, lies at its lower end.
function logarithmic(from, to, low, high) {
  const [a, b] = [Math.log10(from), Math.log10(to)];
  return {
    of: (value) => low + ((Math.log10(Math.max(value, from)) - a) / (b - a || 1)) * (high - low),
    ticks: (most) => {
      const every = Math.max(1, Math.ceil((b - a) / most));
      const all = [];
      for (let e = Math.ceil(a - 1e-9); e <= b + 1e-9; e += every) all.push(10 ** e);
      return all;
    },
  };
}

function nice(rough) {
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  return [1, 2, 2.5, 5, 10].find((n) => n * power >= rough * 0.999) * power;
}

function steps(from, to, step) {
  const all = [];
  for (let n = Math.ceil(from / step - 1e-9); n * step <= to + step * 1e-9; n++) all.push(n * step);
  return all;
}

// Ticks of memory are round in KiB, MiB, …
function byteSteps(to, most) {
  const unit = 1024 ** Math.max(0, Math.floor(Math.log(to / 2) / Math.log(1024)));
  return steps(0, to, nice(to / unit / most) * unit);
}

// Ticks of time lie where a clock has them.
function timeSteps(to, most) {
  const sizes = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  const step = sizes.find((size) => to / size <= most) ?? 86400 * Math.ceil(to / most / 86400);
  return steps(0, to, step);
}

// Whole decades around all positive values, at least one. Where there are zeros a decade more: its
// lower end stands for them, and is called 0.
function decades(values, least) {
  let [low, high, zero] = [Infinity, 0, false];
  for (const value of values) {
    if (value > 0) [low, high] = [Math.min(low, value), Math.max(high, value)];
    else zero = true;
  }
  if (high === 0) [low, high] = [least, least * 10];
  const from = 10 ** Math.floor(Math.log10(Math.max(low, least)) + 1e-9);
  let to = 10 ** Math.ceil(Math.log10(Math.max(high, least)) - 1e-9);
  if (to <= from) to = from * 10;
  return zero ? [from / 10, to, true] : [from, to, false];
}

const zeroAt = (from, zero, words) => (value) => (zero && value <= from * 1.001 ? "0" : words(value));

const path = (attributes, commands) => svg("path", { ...attributes, d: commands.join("") });

// A line whose values hold from the point before: what was used between two samples.
function since(points, sx, sy) {
  return points.map(([x, y], i) => (i === 0 ? `M${px(sx(x))} ${px(sy(y))}` : `V${px(sy(y))}H${px(sx(x))}`));
}

function line(points, sx, sy, step) {
  return points.map(([x, y], i) => {
    const [a, b] = [px(sx(x)), px(sy(y))];
    if (i === 0) return `M${a} ${b}`;
    return step ? `H${a}V${b}` : `L${a} ${b}`;
  });
}

// The largest round number that is not above a value.
function round(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [5, 2, 1].find((n) => n * power <= value * 1.0001) * power;
}

function bars(all, sx, sy) {
  const zero = sy(0);
  return all
    .filter(([, , y]) => y !== 0)
    .map(([from, to, y]) => {
      const left = sx(from);
      const width = Math.max(1.5, sx(to) - left - 0.5);
      return `M${px(left)} ${px(zero)}V${px(sy(y))}h${px(width)}V${px(zero)}Z`;
    });
}
