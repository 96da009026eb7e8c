// What was intended, how many endpoints there were where, and what it cost the target.

function timeline(page) {
  const it = page.timeline;
  const width = it.bucket_seconds;
  const ends = (points) => points.map(([n, , , last]) => [Math.min((n + 1) * width, it.end_seconds), last]);
  // A level holds until the next one, and the last one until the end.
  const held = (points) => {
    const all = ends(points);
    if (all.length) all.push([it.end_seconds, all.at(-1)[1]]);
    return all;
  };
  // In long buckets levels come and go: of them the smallest and the largest is drawn. Each starts at
  // the level at which the one before ended.
  const coarse = width > 8;
  const edge = (points, which, field) => {
    const found = new Map(points.map((point) => [point[0], point]));
    const all = [];
    let level = points[0]?.[3];
    for (let n = points[0]?.[0] ?? 0; n * width < it.end_seconds; n++) {
      const point = found.get(n);
      all.push([n * width, point ? which(level, point[field]) : level]);
      if (point) level = point[3];
    }
    if (all.length) all.push([it.end_seconds, all.at(-1)[1]]);
    return all;
  };
  // Within a second or less, what is smallest and largest in a bucket is a step and no spread.
  const spread = (kind, points, sx, sy) => path({ class: kind.replace("line", "band") }, (width <= 1 ? [] : points).map(([n, min, max]) => {
    const [a, b] = [sx(n * width), sx((n + 1) * width)];
    return `M${px(a)} ${px(sy(min) + 0.75)}V${px(sy(max) - 0.75)}H${px(Math.max(b, a + 1))}V${px(sy(min) + 0.75)}Z`;
  }));
  const blocks = (list, sign) => list.map(([n, amount]) => [n * width, (n + 1) * width, sign * amount]);
  const most = (lists) => Math.max(0, ...lists.flat().map((point) => point[2]));
  const whose = page.report.target.kind === "linkerd" ? "of the destination controller" : "of the reference, not Linkerd’s";

  const planned = it.planned?.endpoints ?? [];
  const levels = [
    ["line planned", "planned", planned],
    ["line kubernetes", "in Kubernetes", it.kubernetes],
    ["line clients", "at the clients (mean)", it.clients],
  ].filter(([, , points]) => points.length);
  const delivered = { add: [], remove: [] };
  for (const of of page.quantiles.filter((of) => of.stage === "destination")) {
    delivered[of.direction] = of.moments.map(([n, all, never]) => [n, all - never]);
  }
  const intended = { add: it.planned?.additions ?? [], remove: it.planned?.removals ?? [] };

  const list = [];
  if (levels.length) {
    list.push({
      title: "Endpoints, over all Services", height: 150, from: 0, to: most(levels.map((l) => l[2])) * 1.05 || 1, words: number,
      draw: (layer, sx, sy) => {
        for (const [kind, , points] of levels) {
          if (coarse) layer.append(path({ class: kind }, [...line(edge(points, Math.max, 2), sx, sy, true), ...line(edge(points, Math.min, 1), sx, sy, true)]));
          else layer.append(path({ class: kind }, line(held(points), sx, sy, true)));
        }
      },
    });
  }
  const mirrored = (title, of) => {
    const high = Math.max(...[...of.add, ...of.remove].map(([, n]) => n), 1);
    return {
      title, height: 84, from: of.remove.length ? -high : 0, to: high, words: (value) => number(Math.abs(value)),
      ticks: of.remove.length ? [-round(high), 0, round(high)] : undefined,
      draw: (layer, sx, sy) => {
        layer.append(path({ class: "bar add" }, bars(blocks(of.add, 1), sx, sy)));
        layer.append(path({ class: "bar remove" }, bars(blocks(of.remove, -1), sx, sy)));
      },
    };
  };
  const some = (of) => of.add.some(([, n]) => n) || of.remove.some(([, n]) => n);
  const each = clock(width);
  if (some(intended)) list.push(mirrored(`Intended, endpoints in each ${each}`, intended));
  if (some(delivered)) list.push(mirrored(`Deliveries in each ${each}`, delivered));
  const over = (title, kinds, words) => ({
    title, height: 84, from: 0, to: most(kinds.map((k) => k[1])) * 1.08 || 1, words,
    draw: (layer, sx, sy) => {
      for (const [kind, points] of kinds) {
        layer.append(spread(kind, points, sx, sy));
        const shape = words === bytes ? line(ends(points), sx, sy, false) : since(ends(points), sx, sy);
        layer.append(path({ class: kind }, shape));
      }
    },
    ticks: words === bytes ? byteSteps(most(kinds.map((k) => k[1])) * 1.08, 3) : undefined,
  });
  if (it.cpu.length) list.push(over(`CPU ${whose}, cores`, [["line cpu", it.cpu]], number));
  const memory = [["line resident", it.resident], ["line heap", it.heap]].filter(([, points]) => points.length);
  if (memory.length) list.push(over(`Memory ${whose}`, memory, bytes));
  if (it.resets.length) {
    list.push({
      title: `Streams unexpectedly closed, in each ${each}`, height: 60, from: 0, to: Math.max(...it.resets.map(([, n]) => n)), words: number,
      draw: (layer, sx, sy) => layer.append(path({ class: "bar bad" }, bars(blocks(it.resets, 1), sx, sy))),
    });
  }

  // What can be read: every bucket in which anything was said.
  const columns = [
    ...levels.map(([kind, name, points]) => [kind, name, points,
      (p) => (coarse && p[1] < p[2] ? `${number(p[1])} to ${number(p[2])}` : number(p[3])), true]),
    ["bar add", "intended additions", intended.add, (p) => count(p[1])],
    ["bar remove", "intended removals", intended.remove, (p) => count(p[1])],
    ["bar add", "deliveries of additions", delivered.add, (p) => count(p[1])],
    ["bar remove", "deliveries of removals", delivered.remove, (p) => count(p[1])],
    ["line cpu", "CPU", it.cpu, (p) => cores(p[3])],
    ["line resident", "resident memory", it.resident, (p) => bytes(p[3])],
    ["line heap", "heap in use", it.heap, (p) => bytes(p[3])],
    ["bar bad", "streams unexpectedly closed", it.resets, (p) => count(p[1])],
  ].filter(([, , points]) => points.length);
  const buckets = [...new Set(columns.flatMap(([, , points]) => points.map((p) => p[0])))].sort((a, b) => a - b);
  const found = columns.map(([, , points]) => new Map(points.map((p) => [p[0], p])));
  const lastSaid = columns.map(() => null);
  const stops = buckets.map((n) => {
    const rows = [];
    columns.forEach(([kind, name, , words, level], i) => {
      const point = found[i].get(n);
      if (point) lastSaid[i] = point;
      const said = level ? lastSaid[i] : point;
      if (said) rows.push([kind, name, words(said)]);
    });
    const at = Math.min((n + 1) * width, it.end_seconds);
    const cycle = page.report.cycles.find((c) => c.from_seconds < at && at <= c.to_seconds);
    return { x: at, title: `At ${clock(at)}${cycle ? `, cycle ${cycle.cycle}` : ""}`, rows };
  });

  const cycles = page.report.cycles;
  const began = it.phases.find((p) => p.phase === "churning");
  const ended = it.phases.find((p) => p.phase === "settling");
  const shades = cycles.length > 60 ? [] : cycles.map((c, i) => ({ from: c.from_seconds, to: c.to_seconds, odd: i % 2 === 1, words: `cycle ${c.cycle}` }));
  if (!cycles.length && began) shades.push({ from: began.at, to: ended?.at ?? it.end_seconds, odd: true, words: "churn" });
  const notes = [];
  const phases = it.phases.map((p) => `${p.phase.replace("_", " ")} from ${clock(p.at)}`);
  if (phases.length) notes.push(`Phases: ${phases.join(", ")}.`);
  if (it.kubernetes.length) notes.push("Endpoints in Kubernetes and at the clients are counted once a second.");
  if (coarse) notes.push(`A bucket is ${each} long: drawn are the smallest and the largest number of endpoints in each.`);
  if (!it.planned) notes.push("What was planned is not in this recording.");
  if (!it.kubernetes.length) notes.push("This recording does not say how many endpoints there were; it is of an older version, or no stream was opened.");
  if (!it.cpu.length && !memory.length) {
    notes.push(page.report.virtual_time ? "Virtual time has no CPU and no memory to measure." : "The target’s CPU and memory were not measured: see --destination-metrics.");
  }
  return {
    name: "Timeline", legend: columns.filter(([kind], i) => columns.findIndex(([k]) => k === kind) === i)
      .map(([kind, name]) => [kind, { "bar add": "additions, up", "bar remove": "removals, down" }[kind] ?? name]),
    x: { from: 0, to: it.end_seconds, time: true, words: clock, title: "since the start of the run" },
    panels: list, stops, shades, marks: buckets.length, notes,
    table: {
      heads: ["until", ...columns.map(([, name]) => name)],
      rows: () => buckets.map((n) => [clock(Math.min((n + 1) * width, it.end_seconds)),
        ...columns.map(([, , , words], i) => (found[i].has(n) ? words(found[i].get(n)) : ""))]),
    },
  };
}
