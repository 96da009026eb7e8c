// Puts the charts into the page, and lets the reader choose a theme.

const CHARTS = { timeline, "fan-out": fanOut, stages, distribution, quantiles: quantilesByTime, memory: memoryByCycle };

// Draws what the page has embedded.
function show() {
  const page = JSON.parse(document.getElementById("data").textContent);
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const spec = CHARTS[figure.dataset.chart](page);
    chart(figure, spec);
    if (spec.worst?.rows.length) {
      const head = html("tr", {}, ...spec.worst.heads.map((head) => html("th", { scope: "col" }, head)));
      const rows = spec.worst.rows.map((row) => html("tr", {}, ...row.map((cell, i) => (i === 0 ? html("th", { scope: "row" }, cell) : html("td", {}, cell)))));
      const table = html("table", {}, html("caption", {}, "The worst changes"), html("thead", {}, head), html("tbody", {}, ...rows));
      figure.after(html("h3", {}, "The worst changes"), html("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "The worst changes" }, table));
    }
  }
}
show();

// A page that is opened from disk may have no storage; then the choice lasts as long as the page.
const theme = document.getElementById("theme");
const choose = (value) => {
  if (value) document.documentElement.dataset.theme = value;
  else delete document.documentElement.dataset.theme;
};
try {
  theme.value = localStorage.getItem("dst-load-theme") ?? "";
} catch {
  theme.value = "";
}
choose(theme.value);
theme.addEventListener("change", () => {
  choose(theme.value);
  try {
    localStorage.setItem("dst-load-theme", theme.value);
  } catch {
    return;
  }
});
