// Whether memory returns to its baseline from cycle to cycle.

function memoryByCycle(page) {
  const all = page.report.cycles.filter((c) => c.heap_floor_bytes !== null || c.peak_rss_bytes !== null);
  const high = Math.max(...all.flatMap((c) => [c.heap_floor_bytes ?? 0, c.peak_rss_bytes ?? 0]), 1);
  const series = [["line heap", "lowest heap in use", "heap_floor_bytes"], ["line resident", "peak of resident memory", "peak_rss_bytes"]];
  const said = (value) => (value === null ? "-" : bytes(value));
  const numbers = all.map((c) => c.cycle);
  const [first, last] = [Math.min(...numbers), Math.max(...numbers)];
  return {
    name: "Memory by cycle",
    legend: series.map(([kind, name]) => [kind, name]),
    x: { from: first - 0.5, to: last + 0.5, words: count, wide: 40, title: "cycle",
      ticks: (most) => steps(first, last, Math.max(1, Math.round(nice((last - first) / most)))) },
    panels: [{
      title: page.report.target.kind === "linkerd" ? "Memory of the destination controller" : "Memory of the reference, not Linkerd’s",
      height: 140, from: 0, to: high * 1.08, words: bytes, ticks: byteSteps(high * 1.08, 4),
      draw: (layer, sx, sy) => {
        for (const [kind, , field] of series) {
          const points = all.filter((c) => c[field] !== null).map((c) => [c.cycle, c[field]]);
          layer.append(path({ class: kind }, line(points, sx, sy, false)));
          if (points.length > 100) continue;
          for (const [x, y] of points) layer.append(svg("circle", { class: kind.replace("line", "dot"), cx: px(sx(x)), cy: px(sy(y)), r: 3.5 }));
        }
      },
    }],
    stops: all.map((c) => ({ x: c.cycle, title: `Cycle ${c.cycle}${c.whole ? "" : " (partial)"}`, rows: series.map(([kind, name, field]) => [kind, name, said(c[field])]) })),
    marks: all.length,
    empty: page.report.virtual_time ? "Virtual time has no memory to measure." : "The target’s memory was not measured.",
    table: { heads: ["cycle", ...series.map(([, name]) => name)], rows: () => all.map((c) => [count(c.cycle), ...series.map(([, , field]) => said(c[field]))]) },
  };
}
