// Latencies: the stages side by side, their distributions, and their quantiles by time.

const QUANTILES = ["p50", "p95", "p99", "p999", "max"];
const saidOf = (q) => (q === "p999" ? "p99.9" : q);

// A quantile of the report in words, with ≥ where it is only a lower bound.
function quantile(latency, q) {
  const value = latency[`${q}_seconds`];
  if (value === null) return "-";
  const from = QUANTILES.indexOf(latency.censored_from);
  return `${from >= 0 && from <= QUANTILES.indexOf(q) ? "≥ " : ""}${seconds(value)}`;
}

function eachStage(page) {
  const all = [];
  for (const stage of Object.keys(STAGES)) {
    for (const direction of Object.keys(DIRECTIONS)) {
      const latency = page.report.latency[stage][direction];
      if (latency.count > 0) all.push({ stage, direction, latency, name: `${STAGES[stage]}, ${DIRECTIONS[direction]}` });
    }
  }
  return all;
}

function stages(page) {
  const all = eachStage(page);
  const values = all.flatMap(({ latency }) => QUANTILES.map((q) => latency[`${q}_seconds`]));
  const [from, to, zero] = decades(values, 1e-6);
  return {
    name: "Stages side by side",
    legend: [["bar add", "additions"], ["bar remove", "removals"], ["line range", "median (dot), to p95 (thick), p99 (bar) and the largest; n deliveries"]],
    x: { from, to, log: true, words: zeroAt(from, zero, seconds) },
    panels: all.map(({ direction, latency, name }) => ({
      title: `${name}: n ${count(latency.count)}${latency.never ? `, never ${count(latency.never)}` : ""}`,
      height: 18, from: 0, to: 1, ticks: [], words: String,
      draw: (layer, sx, sy) => {
        const at = (q) => px(sx(latency[`${q}_seconds`]));
        const [middle, half] = [px(sy(0.5)), 7];
        layer.append(path({ class: `line range ${direction}` }, [`M${at("p50")} ${middle}H${at("max")}M${at("max")} ${middle - 4}v8`]));
        layer.append(path({ class: `bar ${direction}` }, [`M${at("p50")} ${middle - 3}H${at("p95")}v6H${at("p50")}Z`, `M${at("p99") - 1.5} ${middle - half}h3v${2 * half}h-3Z`]));
        layer.append(svg("circle", { class: `dot ${direction}`, cx: at("p50"), cy: middle, r: 5 }));
      },
    })),
    stops: all.map(({ direction, latency, name }) => ({
      x: Math.max(latency.p50_seconds, from), title: name,
      rows: [...QUANTILES.map((q) => [`bar ${direction}`, saidOf(q), quantile(latency, q)]), [`bar ${direction}`, "deliveries, never", `${count(latency.count)}, ${count(latency.never)}`]],
    })),
    pick: (x, y, drawn) => {
      const rows = drawn.sy.map((sy) => Math.abs(sy(0.5) - y));
      return rows.indexOf(Math.min(...rows));
    },
    highlight: (layer, index, drawn) => layer.append(path({ class: "cursor" }, [`M${drawn.left} ${px(drawn.sy[index](0.5) + 13)}H${drawn.right}`])),
    marks: all.length,
    table: {
      heads: ["stage", "deliveries", "never", ...QUANTILES.map(saidOf)],
      rows: () => all.map(({ latency, name }) => [name, count(latency.count), count(latency.never), ...QUANTILES.map((q) => quantile(latency, q))]),
    },
  };
}

function distribution(page) {
  const deadline = page.report.deadline_seconds * 1e6;
  const all = page.distributions.filter((d) => d.count > 0).map((d) => {
    let never = d.never;
    // What never arrived is in the bars of the deadline and beyond; it is drawn as what it is.
    const shares = [...d.bars].reverse().map(([low, high, n]) => {
      const lost = high >= deadline ? Math.min(n, never) : 0;
      never -= lost;
      return { low, high, n: n - lost, lost };
    });
    return { ...d, bars: shares.reverse() };
  });
  const [from, to, zero] = decades(all.flatMap((d) => d.bars.flatMap((bar) => (bar.high > 0 ? [Math.max(bar.low, 1), bar.high + 1] : [0]))), 1);
  const floor = page.report.floor_seconds;
  const blocks = (d, what) => d.bars.filter((bar) => bar[what]).map((bar) =>
    [Math.max(bar.low, from), bar.high > 0 ? Math.max(bar.high + 1, from * 1.19) : from * 1.19, (d.direction === "add" ? 1 : -1) * (bar[what] / d.count)]);
  const present = Object.keys(STAGES).filter((stage) => all.some((d) => d.stage === stage));
  const panelOf = (stage) => {
    const here = all.filter((d) => d.stage === stage);
    const high = Math.max(...here.flatMap((d) => d.bars.map((bar) => Math.max(bar.n, bar.lost) / d.count))) * 1.08;
    const removals = here.some((d) => d.direction === "remove");
    const n = here.map((d) => `${count(d.count)} ${DIRECTIONS[d.direction]}`).join(", ");
    return {
      title: `${STAGES[stage]}: ${n}`, height: 110, from: removals ? -high : 0, to: high, words: (value) => percent(Math.abs(value)),
      ticks: removals ? [-round(high), 0, round(high)] : undefined,
      draw: (layer, sx, sy, box) => {
        for (const d of here) {
          layer.append(path({ class: `bar ${d.direction}` }, bars(blocks(d, "n"), sx, sy)));
          layer.append(path({ class: "bar bad" }, bars(blocks(d, "lost"), sx, sy)));
        }
        if (stage === "destination" && floor && floor * 1e6 >= from) {
          layer.append(path({ class: "rule" }, [`M${px(sx(floor * 1e6))} ${box.high}V${box.low}`]));
        }
      },
    };
  };
  const lows = [...new Set(all.flatMap((d) => d.bars.map((bar) => bar.low)))].sort((a, b) => a - b);
  const row = (d, low) => d.bars.find((bar) => bar.low === low);
  const name = (d) => `${STAGES[d.stage]}, ${DIRECTIONS[d.direction]}`;
  const range = (low) => {
    const bar = all.map((d) => row(d, low)).find(Boolean);
    return bar.high > bar.low ? `${micros(bar.low)} to ${micros(bar.high)}` : micros(bar.low);
  };
  const words = (d, bar) => `${percent((bar.n + bar.lost) / d.count)}, ${count(bar.n + bar.lost)}${bar.lost ? ` (${count(bar.lost)} never)` : ""}`;
  return {
    name: "Distribution of latencies",
    legend: [["bar add", "additions, up"], ["bar remove", "removals, down"],
      ...(all.some((d) => d.never) ? [["bar bad", "never delivered"]] : []),
      ...(floor ? [["rule", `the tool’s own floor, ${seconds(floor)}`]] : [])],
    x: { from, to, log: true, words: zeroAt(from, zero, micros) },
    panels: present.map(panelOf),
    stops: lows.map((low) => ({
      x: Math.max(low, from), title: range(low),
      rows: all.filter((d) => row(d, low)).map((d) => [`bar ${d.direction}`, name(d), words(d, row(d, low))]),
    })),
    marks: lows.length,
    notes: ["Each bar is the share of that stage’s and direction’s deliveries; four bars cover each doubling of the latency."],
    table: {
      heads: ["latency", ...all.map(name)],
      rows: () => lows.map((low) => [range(low), ...all.map((d) => (row(d, low) ? words(d, row(d, low)) : ""))]),
    },
  };
}

function quantilesByTime(page) {
  const width = page.timeline.bucket_seconds;
  const end = page.timeline.end_seconds;
  const all = page.quantiles.filter((q) => q.moments.length);
  const [from, to, zero] = decades(all.flatMap((q) => q.moments.flatMap(([, , , p50, p99, max]) => [p50, p99, max])), 1);
  const present = Object.keys(STAGES).filter((stage) => all.some((q) => q.stage === stage));
  const limits = (stage) => {
    const keys = { destination: /^updateLatency\.|^everyClientWithin/, end_to_end: /^endToEnd\./ }[stage];
    const found = new Map();
    for (const criterion of page.report.criteria) {
      if (keys?.test(criterion.name)) found.set(criterion.name.replace(/ \(.*/, ""), criterion.limit * 1e6);
    }
    const short = (name) => (name.endsWith("everyClientWithin") ? "every client" : name.replace(/^.*\./, ""));
    return [...found].map(([name, limit]) => [limit, `${short(name)} ≤ ${micros(limit)}`]);
  };
  const bound = ([, all, never], q) => (Math.ceil(q * all) > all - never ? "≥ " : "");
  const at = (n) => Math.min((n + 1) * width, end);
  const panelOf = (stage) => ({
    title: STAGES[stage], height: 130, from, to, log: true, words: zeroAt(from, zero, micros), rules: limits(stage),
    draw: (layer, sx, sy) => {
      for (const q of all.filter((q) => q.stage === stage)) {
        const aside = q.direction === "add" ? -1.5 : 1.5;
        const each = (draw) => q.moments.map((m) => draw(px(sx((m[0] + 0.5) * width) + aside), m));
        layer.append(path({ class: `stem max ${q.direction}` }, each((x, m) => `M${x} ${px(sy(m[4]))}V${px(sy(m[5]))}`)));
        layer.append(path({ class: `stem ${q.direction}` }, each((x, m) => `M${x} ${px(sy(m[3]))}V${px(sy(m[4]))}M${x - 3} ${px(sy(m[4]))}h6`)));
        layer.append(path({ class: `bar ${q.direction}` }, each((x, m) => `M${x - 2.5} ${px(sy(m[3]))}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0Z`)));
      }
    },
  });
  const buckets = [...new Set(all.flatMap((q) => q.moments.map((m) => m[0])))].sort((a, b) => a - b);
  const found = all.map((q) => new Map(q.moments.map((m) => [m[0], m])));
  const words = (m) => `p50 ${bound(m, 0.5)}${micros(m[3])}, p99 ${bound(m, 0.99)}${micros(m[4])}, max ${bound(m, 1)}${micros(m[5])} (${count(m[1])})`;
  const name = (q) => `${STAGES[q.stage]}, ${DIRECTIONS[q.direction]}`;
  return {
    name: "Latency by time",
    legend: [["bar add", "additions"], ["bar remove", "removals"], ["line range", "from the median (dot) to p99 (bar), thin to the largest"], ["rule", "a limit of the criteria"]],
    x: { from: 0, to: end, time: true, words: clock, title: "since the start of the run" },
    panels: present.map(panelOf),
    stops: buckets.map((n) => ({
      x: (n + 0.5) * width, title: `${clock(n * width)} to ${clock(at(n))}`,
      rows: all.flatMap((q, i) => (found[i].has(n) ? [[`bar ${q.direction}`, name(q), words(found[i].get(n))]] : [])),
    })),
    marks: buckets.length,
    notes: ["Exact to 1.6 %; the table of the run has the exact values."],
    table: {
      heads: ["until", ...all.map(name)],
      rows: () => buckets.map((n) => [clock(at(n)), ...all.map((q, i) => (found[i].has(n) ? words(found[i].get(n)) : ""))]),
    },
  };
}
