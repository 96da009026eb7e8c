// A chart: panels above one another on one horizontal axis, a legend, a reading of its values by
// pointer and keyboard, and the same values as a table.

// chart: { name, legend: [[class, words]], x: { from, to, log, time, ticks, words }, panels, stops,
//          marks, pick, highlight, table: { heads, rows }, notes }
// panel: { title, height, from, to, log, words, draw(layer, sx, sy), ticks, rules: [[y, words]] }
// stop:  { x, title, rows: [[class, name, value]] }, one for each place that can be read
function chart(figure, spec) {
  figure.dataset.marks = String(spec.marks);
  if (spec.marks === 0) {
    figure.replaceChildren(html("p", { class: "note" }, spec.empty ?? "Nothing was recorded for this chart."));
    return;
  }
  const legend = html("ul", { class: "legend" });
  for (const [kind, words] of spec.legend) legend.append(html("li", {}, key(kind), words));
  const stage = html("div", {
    class: "stage", tabindex: "0", role: "slider", "aria-label": spec.name,
    "aria-valuemin": "0", "aria-valuemax": String(Math.max(0, spec.stops.length - 1)), "aria-valuenow": "0",
    "aria-valuetext": `${counted(spec.stops.length, "value", "values")}: use the arrow keys`,
  });
  const reading = html("div", { class: "reading", hidden: "", "aria-hidden": "true" });
  const notes = (spec.notes ?? []).map((note) => html("p", { class: "note" }, note));
  figure.replaceChildren(legend, stage, ...notes, tableOf(spec));

  let drawn = null;
  let current = -1;
  const draw = () => {
    drawn = panels(spec, Math.max(260, stage.clientWidth));
    stage.replaceChildren(drawn.svg, reading);
    if (current >= 0) show(current);
  };
  const show = (index) => {
    current = index;
    const stop = spec.stops[index];
    const x = drawn.sx(stop.x);
    drawn.cursor.replaceChildren();
    if (spec.highlight) spec.highlight(drawn.cursor, index, drawn);
    else drawn.cursor.append(path({ class: "cursor" }, [`M${px(x)} ${drawn.top}V${drawn.bottom}`]));
    const list = html("dl", {});
    for (const [kind, name, value] of stop.rows) {
      list.append(html("div", {}, html("dt", {}, key(kind), name), html("dd", {}, value)));
    }
    reading.replaceChildren(html("b", {}, stop.title), list);
    reading.hidden = false;
    const right = x + 14 + reading.offsetWidth > stage.clientWidth;
    const left = right ? x - 14 - reading.offsetWidth : x + 14;
    const most = Math.max(0, stage.clientWidth - reading.offsetWidth);
    reading.style.left = `${Math.min(most, Math.max(0, left))}px`;
    stage.setAttribute("aria-valuenow", String(index));
    stage.setAttribute("aria-valuetext", [stop.title, ...stop.rows.map(([, name, value]) => `${name} ${value}`)].join(", "));
  };
  const hide = () => {
    current = -1;
    reading.hidden = true;
    drawn.cursor.replaceChildren();
  };
  const nearest = (x) => {
    let best = 0;
    spec.stops.forEach((stop, index) => {
      if (Math.abs(drawn.sx(stop.x) - x) < Math.abs(drawn.sx(spec.stops[best].x) - x)) best = index;
    });
    return best;
  };
  stage.addEventListener("pointermove", (event) => {
    const box = drawn.svg.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    show(spec.pick ? spec.pick(x, y, drawn) : nearest(x));
  });
  stage.addEventListener("pointerleave", hide);
  stage.addEventListener("blur", hide);
  stage.addEventListener("keydown", (event) => {
    const last = spec.stops.length - 1;
    const to = {
      ArrowRight: current + 1, ArrowUp: current + 1, ArrowLeft: current - 1, ArrowDown: current - 1,
      PageUp: current + 10, PageDown: current - 10, Home: 0, End: last,
    }[event.key];
    if (event.key === "Escape") hide();
    if (to === undefined) return;
    event.preventDefault();
    show(Math.min(last, Math.max(0, to)));
  });
  let width = 0;
  new ResizeObserver(() => {
    if (Math.abs(stage.clientWidth - width) < 1) return;
    width = stage.clientWidth;
    draw();
  }).observe(stage);
  draw();
  width = stage.clientWidth;
}

// The sample of a line or bar that stands for it in words.
function key(kind) {
  return svg("svg", { class: "key", viewBox: "0 0 18 10", "aria-hidden": "true" },
    kind.startsWith("bar")
      ? svg("rect", { class: kind, x: 3, y: 1, width: 12, height: 8 })
      : path({ class: kind }, ["M0 5H18"]));
}

function panels(spec, width) {
  const [left, right] = [width < 480 ? 52 : 66, 12];
  const gap = 30;
  const above = spec.shades?.length ? 34 : 20;
  const inner = spec.panels.reduce((sum, panel) => sum + panel.height + gap, 0) - gap;
  const height = above + inner + 34;
  const scale = spec.x.log ? logarithmic : linear;
  const sx = scale(spec.x.from, spec.x.to, left, width - right);
  const [top, bottom] = [above, above + inner];
  const root = svg("svg", { class: width < 480 ? "narrow" : undefined, viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": spec.name });
  for (const shade of spec.shades ?? []) {
    const [a, b] = [sx.of(shade.from), sx.of(shade.to)];
    root.append(svg("rect", { class: shade.odd ? "shade odd" : "shade", x: px(a), y: top, width: px(Math.max(0, b - a)), height: inner }));
    if (shade.words && b - a > 7 * shade.words.length) {
      root.append(svg("text", { class: "shade-words", x: px((a + b) / 2), y: 11, "text-anchor": "middle" }, shade.words));
    }
  }
  const most = Math.max(2, Math.floor((width - left - right) / (spec.x.wide ?? 70)));
  const ticks = spec.x.ticks ? spec.x.ticks(most) : spec.x.time ? timeSteps(spec.x.to, most) : sx.ticks(most);
  for (const tick of ticks) {
    const x = px(sx.of(tick));
    root.append(path({ class: "grid" }, [`M${x} ${top}V${bottom}`]));
    const anchor = x > width - 30 ? "end" : "middle";
    root.append(svg("text", { x: Math.min(x, width - 2), y: bottom + 16, "text-anchor": anchor }, spec.x.words(tick)));
  }
  if (spec.x.title) {
    root.append(svg("text", { class: "axis", x: width - right, y: bottom + 31, "text-anchor": "end" }, spec.x.title));
  }
  const cursor = svg("g", {});
  const scales = [];
  let y = top;
  for (const panel of spec.panels) {
    const [low, high] = [y + panel.height, y];
    const sy = (panel.log ? logarithmic : linear)(panel.from, panel.to, low, high);
    if (panel.title) root.append(svg("text", { class: "title", x: left, y: high - 7 }, panel.title));
    for (const tick of panel.ticks ?? sy.ticks(Math.max(2, Math.floor(panel.height / 34)))) {
      const at = px(sy.of(tick));
      root.append(path({ class: tick === 0 ? "grid zero" : "grid" }, [`M${left} ${at}H${width - right}`]));
      root.append(svg("text", { x: left - 6, y: at + 3.5, "text-anchor": "end" }, panel.words(tick)));
    }
    for (const [i, [value, words]] of (panel.rules ?? []).entries()) {
      if (value < panel.from || value > panel.to) continue;
      const at = px(sy.of(value));
      root.append(path({ class: "rule" }, [`M${left} ${at}H${width - right}`]));
      root.append(svg("text", { class: "rule-words", x: width - right - 2 - i * Math.min(130, (width - left) / 3), y: at - 4, "text-anchor": "end" }, words));
    }
    const layer = svg("g", { class: "marks" });
    panel.draw(layer, sx.of, sy.of, { left, right: width - right, low, high });
    root.append(layer);
    scales.push(sy.of);
    y = low + gap;
  }
  root.append(cursor);
  return { svg: root, sx: sx.of, sy: scales, top, bottom, left, right: width - right, cursor };
}

// The same values as a table; its rows are made when it is opened.
function tableOf(spec) {
  const details = html("details", { class: "values" }, html("summary", {}, `${spec.name}: values as a table`));
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    const heads = html("tr", {}, ...spec.table.heads.map((head) => html("th", { scope: "col" }, head)));
    const rows = spec.table.rows().map((row) =>
      html("tr", {}, ...row.map((cell, i) => (i === 0 ? html("th", { scope: "row" }, cell) : html("td", {}, cell)))));
    const table = html("table", {}, html("caption", {}, spec.name), html("thead", {}, heads), html("tbody", {}, ...rows));
    details.append(html("div", { class: "wide", tabindex: "0", role: "region", "aria-label": spec.name }, table));
  });
  return details;
}
