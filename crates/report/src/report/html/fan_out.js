// How each change spread: the share of its streams that know, over time.

function fanOut(page) {
  const { worst, others, changes } = page.curves;
  const all = [...worst, ...others];
  const deadline = page.report.deadline_seconds * 1e6;
  const streams = (c) => c.known + c.never;
  const points = (c) => {
    const n = streams(c);
    const known = [[c.first, 1 / n], [c.p50, 0.5], [c.p95, 0.95], [c.p99, 0.99], [c.last, c.known / n]];
    // A quantile lies at a whole stream: of a few streams it is another's share.
    return known.filter(([x, share]) => x !== null && share <= c.known / n + 1e-9).sort((a, b) => a[1] - b[1] || a[0] - b[0]);
  };
  const times = all.flatMap((c) => points(c).map(([x]) => x));
  if (all.some((c) => c.never)) times.push(deadline);
  const [from, to, zero] = decades(times, 1);
  const curve = (c, sx, sy, end) => {
    const known = points(c);
    if (!known.length) return [`M${px(sx(from))} ${px(sy(0))}H${px(end)}`];
    return [`M${px(sx(known[0][0]))} ${px(sy(0))}`, ...known.map(([x, y]) => `L${px(sx(x))} ${px(sy(y))}`), `H${px(end)}`];
  };
  const kind = (c) => `line curve ${c.direction}`;
  const said = (value) => (value === null ? "-" : micros(value));
  const title = (c) => `${c.service}: ${c.direction === "add" ? "+" : "−"}${counted(c.endpoints, "endpoint", "endpoints")}`;
  const rows = (c) => [
    [kind(c), "visible at", `${clock(c.at)}${c.cycle ? `, cycle ${c.cycle}` : ""}`],
    [kind(c), "Kubernetes took", said(c.kubernetes)],
    [kind(c), "first stream", said(c.first)],
    [kind(c), "half", said(c.p50)],
    [kind(c), "99 %", said(c.p99)],
    [kind(c), "last stream", said(c.last)],
    ["line worst", "received, never", `${count(c.known)}, ${count(c.never)} of ${count(c.audience)}`],
  ];
  const stops = all.map((c) => ({ x: Math.max(c.p50 ?? c.last ?? deadline, from), title: title(c), rows: rows(c) }));
  const heads = ["Service", "change", "cycle", "visible at", "Kubernetes", "first", "half", "95 %", "99 %", "last", "received", "never", "of streams", "left or superseded"];
  const cells = (c) => [
    c.service, `${c.direction === "add" ? "+" : "−"}${count(c.endpoints)}`, c.cycle ? count(c.cycle) : "-", clock(c.at),
    said(c.kubernetes), said(c.first), said(c.p50), said(c.p95), said(c.p99), said(c.last), count(c.known), count(c.never),
    count(c.audience), count(c.other)];
  const left = changes - all.length;
  const notes = [
    `${counted(changes, "change", "changes")} had an audience.` +
      (left > 0 ? ` The ${worst.length} worst are drawn, and an even sample of ${count(others.length)} of the others.` : " All are drawn.") +
      (all.some((c) => c.first === 0) ? " An update that arrived before the observer saw its change counts as 0." : ""),
    "A line connects the first stream, half of them, 95 %, 99 % and the last; between these points it is interpolated.",
  ];
  return {
    name: "Fan-out of changes",
    legend: [["line curve add", "endpoints added"], ["line curve remove", "endpoints removed"], ["line worst", "the worst change"]],
    x: { from, to, log: true, words: zeroAt(from, zero, micros), title: "since the change was visible" },
    panels: [{
      title: "Streams that received the change", height: 260, from: 0, to: 1, words: percent, ticks: [0, 0.25, 0.5, 0.75, 1],
      draw: (layer, sx, sy, box) => {
        for (const c of [...all].reverse()) layer.append(path({ class: kind(c) }, curve(c, sx, sy, box.right)));
        if (worst.length) layer.append(path({ class: "line worst" }, curve(worst[0], sx, sy, box.right)));
      },
    }],
    stops, marks: all.length, notes,
    empty: "No change reached a stream.",
    pick: (x, y, drawn) => {
      // The curve that is nearest to the pointer, at its height or beside it.
      let [best, least] = [0, Infinity];
      all.forEach((c, index) => {
        const known = points(c).map(([a, b]) => [drawn.sx(a), drawn.sy[0](b)]);
        if (known.length) known.push([drawn.right, known.at(-1)[1]]);
        known.forEach((b, i) => {
          const a = known[Math.max(0, i - 1)];
          const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
          const t = Math.min(1, Math.max(0, ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy || 1)));
          const away = Math.hypot(a[0] + t * dx - x, a[1] + t * dy - y);
          if (away < least) [best, least] = [index, away];
        });
      });
      return best;
    },
    highlight: (layer, index, drawn) => layer.append(path({ class: "line chosen" }, curve(all[index], drawn.sx, drawn.sy[0], drawn.right))),
    table: { heads, rows: () => all.map(cells) },
    // Without the last column, which says little of them.
    worst: { heads: heads.slice(0, -1), rows: worst.slice(0, 5).map((c) => cells(c).slice(0, -1)) },
  };
}
