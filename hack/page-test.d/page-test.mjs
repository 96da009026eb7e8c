// Opens each page from disk and holds it to what it promises.
import assert from "node:assert/strict";
import { access, mkdir, readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const [executablePath, pictures, ...runs] = process.argv.slice(2);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const MOST_BYTES = 5_000_000;
const MOST_MILLIS = 1_000;
const TRIES = 5;

if (pictures) await mkdir(pictures, { recursive: true });
// Root in a container has no sandbox of Chromium's to enter; the pages are our own.
const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
const browser = await puppeteer.launch({ executablePath, args: [...args, "--force-device-scale-factor=1"] });
let failed = 0;
for (const run of runs) {
  const claims = [];
  const claim = async (words, check) => {
    try {
      const said = await check();
      claims.push(`  √ ${words}${said ? `: ${said}` : ""}`);
    } catch (error) {
      failed += 1;
      claims.push(`  × ${words}: ${error.message}`);
    }
  };
  const compared = await access(join(run, "comparison.html")).then(() => true, () => false);
  await (compared ? lookAtComparison : look)(run, claim);
  console.log(`${basename(run)}\n${claims.join("\n")}`);
}
await browser.close();
process.exit(failed ? 1 : 0);

// Opens a page, with what every page promises while it opens.
async function open(file, claim) {
  const tab = await browser.newPage();
  const said = [];
  const fetched = [];
  tab.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  tab.on("pageerror", (error) => said.push(`error: ${error.message}`));
  tab.on("request", (request) => fetched.push(request.url()));
  await tab.setViewport({ width: 1200, height: 900 });
  await claim(`it is smaller than ${MOST_BYTES / 1e6} MB`, async () => {
    const { size } = await stat(file);
    assert.ok(size < MOST_BYTES, `${size} bytes`);
    return `${Math.round(size / 1000)} kB`;
  });
  await claim(`it opens, with its charts, within ${MOST_MILLIS} ms`, async () => {
    // A busy machine is late once; a page that is too much is late every time.
    const times = [];
    do {
      fetched.length = 0;
      const before = performance.now();
      await tab.goto(pathToFileURL(file).href, { waitUntil: "load" });
      await settled(tab);
      times.push(Math.round(performance.now() - before));
    } while (times.at(-1) >= MOST_MILLIS && times.length < TRIES);
    assert.ok(times.at(-1) < MOST_MILLIS, `${times.join(", ")} ms`);
    return `${times.at(-1)} ms`;
  });
  await claim("it fetches nothing but itself", () => assert.equal(fetched.length, 1, fetched.join(" ")));
  return { tab, said };
}

function settled(tab) {
  return tab.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

async function picture(tab, run, name) {
  if (pictures) await tab.screenshot({ path: join(pictures, `${basename(run)}-${name}.png`), fullPage: true });
}

// What every page promises in both themes.
async function themes(tab, run, claim) {
  for (const scheme of ["light", "dark"]) {
    await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await picture(tab, run, scheme);
    await claim(`axe finds nothing in the ${scheme} theme`, () => accessible(tab));
  }
}

// What every page promises on screens of all sizes, on paper, and to the console.
async function sizes(tab, run, claim, [fewest, most], said) {
  await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
  for (const width of [360, 600, 1600]) {
    await claim(`nothing overflows a screen of ${width} px`, async () => {
      await tab.setViewport({ width, height: 800 });
      await settled(tab);
      const wide = await tab.evaluate(() => {
        const over = [...document.querySelectorAll("body *")].filter((it) =>
          it.getBoundingClientRect().right > innerWidth + 1 && !it.closest(".wide, pre, .skip, svg"));
        return [document.documentElement.scrollWidth - innerWidth, over.map((it) => `${it.tagName}.${it.className}`)];
      });
      assert.ok(wide[0] <= 0 && wide[1].length === 0, JSON.stringify(wide));
      if (width === 360) await picture(tab, run, "narrow");
    });
  }
  await claim("it prints, with its charts, on a few sheets", async () => {
    await tab.setViewport({ width: 1200, height: 900 });
    const path = pictures ? join(pictures, `${basename(run)}.pdf`) : undefined;
    const paper = Buffer.from(await tab.pdf({ format: "A4", path, margin: { top: "12mm", bottom: "12mm", left: "12mm", right: "12mm" } }));
    const sheets = paper.toString("latin1").match(/\/Type\s*\/Page\b/g)?.length ?? 0;
    assert.ok(sheets >= fewest && sheets <= most, `${sheets} sheets`);
    return `${sheets} sheets`;
  });
  await claim("it says nothing to the console", () => assert.deepEqual(said, []));
}

async function lookAtComparison(run, claim) {
  const comparison = JSON.parse(await readFile(join(run, "comparison.json"), "utf8"));
  const { tab, said } = await open(join(run, "comparison.html"), claim);
  await claim("it says what was compared, and the verdict", async () => {
    const head = await tab.evaluate(() => document.querySelector("header").innerText);
    assert.ok(head.toLowerCase().includes(comparison.outcome.replace("_", " ")), head);
    assert.equal(head.includes("SELF-TEST This compares runs"), comparison.self_test, head);
    assert.ok(head.includes(`${comparison.scenario.name} (seed ${comparison.scenario.seed})`), head);
    for (const side of [comparison.baseline, comparison.candidate])
      for (const word of [side.name, ...side.builds]) assert.ok(word === null || head.includes(word), word);
  });
  await claim("it has every measure that both sides have, as comparison.json has it", async () => {
    const rows = await tab.evaluate(() => [...document.querySelectorAll("#measures tbody tr")].map((row) =>
      [row.querySelector("th").title, ...[...row.children].map((cell) => cell.innerText.trim())]));
    const both = comparison.measures.filter((it) => it.difference);
    assert.deepEqual(rows.map((row) => row[0]).sort(), both.map((it) => it.key).sort());
    const words = { regression: "worse", improvement: "better", no_difference: "no difference", inconclusive: "inconclusive" };
    for (const [key, , verdict, baseline, candidate, difference] of rows) {
      const real = both.find((it) => it.key === key);
      assert.equal(verdict, real.outcome === null ? "unjudged" : words[real.outcome], key);
      if (real.unit === "seconds") {
        close(baseline, real.baseline.mean, `${key} of the baseline`);
        close(candidate, real.candidate.mean, `${key} of the candidate`);
      }
      const percent = /^([-+]?[\d.,]+) %$/.exec(difference);
      if (percent && real.difference.relative !== null) {
        const [shown, share] = [plain(percent[1]), 100 * real.difference.relative];
        assert.ok(Math.abs(shown - share) <= Math.max(0.006 * Math.abs(share), 0.0051), `${key}: ${difference} for ${share}`);
      }
    }
    return `${rows.length} measures`;
  });
  await claim("every bar lies as its numbers do", async () => {
    const bars = await tab.evaluate(() => [...document.querySelectorAll("#measures tbody tr")].flatMap((row) => {
      const svg = row.querySelector("svg");
      if (!svg) return [];
      const known = /^M([\d.]+) 7H([\d.]+)$/.exec(svg.querySelector(".known")?.getAttribute("d") ?? "");
      const band = svg.querySelector(".within");
      const box = svg.getBoundingClientRect();
      return [{ key: row.querySelector("th").title, said: svg.getAttribute("aria-label"), width: box.width, height: box.height,
        known: known && [Number(known[1]), Number(known[2])], band: band && Number(band.getAttribute("x")),
        broken: svg.outerHTML.match(/NaN|inf|undefined|none/) !== null }];
    }));
    assert.ok(bars.length > 0);
    for (const bar of bars) {
      const { difference, margin, outcome, baseline, candidate } = comparison.measures.find((it) => it.key === bar.key);
      assert.ok(!bar.broken && bar.width > 40 && bar.height > 8 && bar.said.length > 5, JSON.stringify(bar));
      const all = difference.interval?.every((it) => it > 5 * margin) || difference.interval?.every((it) => it < -5 * margin);
      if (!(margin > 0 && all)) assert.equal(bar.known !== null, difference.interval !== null, bar.key);
      if (!bar.known || baseline.at_least || candidate.at_least) continue;
      const [low, high] = difference.interval;
      // Zero is in the middle, and the threshold's lower end at a fifth of the way from there.
      assert.ok(Math.sign(bar.known[0] - 50) * Math.sign(low) >= 0 && Math.sign(bar.known[1] - 50) * Math.sign(high) >= 0, bar.key);
      if (outcome === null || margin === 0) continue;
      assert.equal(bar.band, 40, bar.key);
      const at = (value) => 50 + 10 * Math.max(-5, Math.min(5, value / margin));
      assert.ok(Math.abs(bar.known[0] - at(low)) < 0.11 && Math.abs(bar.known[1] - at(high)) < 0.11, bar.key);
    }
    return `${bars.length} bars`;
  });
  await claim("it says what was left out, every warning, and the command that says it again", async () => {
    const text = await tab.evaluate(() => document.body.innerText.replace(/\s+/g, " "));
    const all = [...comparison.baseline.recordings, ...comparison.candidate.recordings];
    for (const it of all) assert.ok(text.includes(it.place) && text.includes(it.left_out ?? ""), it.place);
    for (const it of [...comparison.warnings, comparison.repeat]) assert.ok(text.includes(it.replace(/\s+/g, " ")), it);
    for (const it of comparison.measures.filter((it) => !it.difference)) assert.ok(text.includes(it.name), it.name);
  });
  await themes(tab, run, claim);
  await sizes(tab, run, claim, [1, 6], said);
  await tab.close();
}

async function look(run, claim) {
  const report = JSON.parse(await readFile(join(run, "report.json"), "utf8"));
  const { tab, said } = await open(join(run, "report.html"), claim);
  await claim("its embedded report is report.json", async () => {
    const embedded = await tab.evaluate(() => JSON.parse(document.getElementById("data").textContent).report);
    assert.deepEqual(embedded, report);
  });
  await claim("it says what was tested, and the verdict", async () => {
    const head = await tab.evaluate(() => document.querySelector("header").innerText);
    assert.ok(head.toLowerCase().includes(report.verdict), head);
    assert.equal(head.includes("SELF-TEST This run measured"), report.target.kind === "reference", head);
    for (const reason of report.reasons) assert.ok(head.includes(reason.replace(/\s+/g, " ")), reason);
  });
  await claim("it names the build that was tested", async () => {
    const tested = await tab.evaluate(() => document.getElementById("tested")?.textContent ?? "");
    if (report.target.kind === "reference") assert.equal(tested, "");
    else assert.ok(tested.includes(report.target.version ?? "unknown version"), tested);
  });
  await claim("it says what to try, and the slowest change", async () => {
    const [advice, slowest] = await tab.evaluate(() => [
      [...document.querySelectorAll("#advice li")].map((it) => it.textContent),
      document.getElementById("slowest")?.textContent ?? null,
    ]);
    // What is typed has backticks in one, and a type of its own in the other.
    assert.deepEqual(advice, report.recommendations.map((it) => it.replaceAll("`", "")));
    assert.equal(slowest === null, report.slowest === null);
    if (report.slowest) assert.ok(slowest.includes(report.slowest.service), slowest);
    return `${advice.length} to try`;
  });
  await claim("its tables say what report.json says", () => numbers(tab, report));
  await claim("every chart is drawn", () => drawn(tab, report));
  await claim("charts say their values to the keyboard", () => keyboard(tab));
  await claim("charts say their values to the pointer", () => pointer(tab));
  await claim("every chart has a table with all that can be read", () => tables(tab));
  await themes(tab, run, claim);
  await claim("the switch chooses the theme", async () => {
    const paper = () => tab.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await paper();
    await tab.select("#theme", "light");
    assert.notEqual(await paper(), dark);
    await tab.select("#theme", "dark");
    assert.equal(await paper(), dark);
    await tab.select("#theme", "");
  });
  await sizes(tab, run, claim, [2, 14], said);
  await tab.close();
}

// A span of time as the report says it, read back: seconds.
function read(text) {
  const [, value, unit] = /^(?:≥ )?([\d,.]+) (µs|ms|s)$/.exec(text) ?? [];
  return value === undefined ? null : Number(value.replaceAll(",", "")) * { "µs": 1e-6, ms: 1e-3, s: 1 }[unit];
}

function close(shown, real, what) {
  if (real === null) return assert.equal(shown, "-", what);
  const value = read(shown);
  // Three digits are shown.
  assert.ok(value !== null && Math.abs(value - real) <= Math.max(0.006 * real, 0.51e-6), `${what}: ${shown} for ${real}`);
}

function plain(text) {
  return Number(text.replaceAll(",", ""));
}

async function numbers(tab, report) {
  const { latency, criteria, cycles } = await tab.evaluate(() => {
    const table = (within) => [...document.querySelectorAll(`${within} table`)].map((it) =>
      [...it.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.firstChild?.textContent ?? "")));
    return { latency: table("#latency")[0] ?? [], criteria: table("#criteria")[0], cycles: table("#cycles").at(-1) ?? [] };
  });
  let compared = 0;
  for (const [name, n, never, ...quantiles] of latency) {
    const [, stage, direction] = /^(.*) (add|remove)$/.exec(name);
    const real = report.latency[stage.replaceAll(" ", "_")][direction];
    assert.equal(plain(n), real.count, name);
    assert.equal(plain(never), real.never, name);
    ["p50", "p95", "p99", "p999", "max"].forEach((q, i) => close(quantiles[i], real[`${q}_seconds`], `${name} ${q}`));
    compared += 7;
  }
  const counting = Object.values(report.latency).flatMap((it) => Object.values(it)).filter((it) => it.count > 0);
  assert.equal(latency.length, counting.length);
  assert.equal(criteria.length, report.criteria.length);
  report.criteria.forEach((real, i) => {
    const [name, said, observed] = criteria[i];
    assert.equal(name, real.name);
    assert.equal(said, real.met === null ? "unjudged" : real.met ? "met" : "violated", name);
    if (real.unit === "seconds") close(observed, real.observed, name);
    if (real.unit === "count" && real.observed !== null) assert.equal(plain(observed), real.observed, name);
    compared += 1;
  });
  for (const row of cycles) {
    const real = report.cycles.find((cycle) => cycle.cycle === parseInt(row[0].replaceAll(",", ""), 10));
    assert.equal(plain(row[2]), real.fan_out.changes);
    assert.equal(plain(row[3]), real.fan_out.completed);
    close(row[6], real.fan_out.last_seconds_max, `cycle ${row[0]}`);
    compared += 3;
  }
  assert.equal(cycles.length, Math.min(report.cycles.length, 200));
  return `${compared} numbers compared`;
}

async function drawn(tab, report) {
  const all = await tab.evaluate(() => [...document.querySelectorAll("figure[data-chart]")].map((figure) => ({
    name: figure.dataset.chart,
    marks: Number(figure.dataset.marks),
    shapes: [...figure.querySelectorAll("svg .marks :is(path, rect, circle)")].filter((it) => {
      const box = it.getBBox();
      return (it.getAttribute("d") ?? "x") !== "" && box.width + box.height > 0;
    }).length,
    broken: [...figure.querySelectorAll("svg *")].filter((it) => [...it.attributes].some((a) => /NaN|Infinity|undefined/.test(a.value))).length,
    note: figure.innerText,
  })));
  const expected = ["timeline", "fan-out"];
  if (report.latency.destination.add.count + report.latency.destination.remove.count > 0) expected.push("stages", "distribution", "quantiles");
  if (report.cycles.length) expected.push("memory");
  assert.deepEqual(all.map((it) => it.name).sort(), expected.sort());
  for (const it of all) {
    assert.equal(it.broken, 0, `${it.name} has ${it.broken} broken shapes`);
    // What cannot be known is said in words, and only where report.json does not know it either.
    const unknown = { memory: report.cycles.every((c) => c.heap_floor_bytes === null && c.peak_rss_bytes === null), "fan-out": report.fan_out.changes === 0 };
    if (unknown[it.name]) assert.ok(it.marks === 0 && it.note.length > 20, it.name);
    else assert.ok(it.marks > 0 && it.shapes > 0, `${it.name}: ${it.marks} marks, ${it.shapes} shapes`);
  }
  return all.map((it) => `${it.name} ${it.marks}`).join(", ");
}

async function keyboard(tab) {
  const stages = await tab.$$(".stage");
  for (const stage of stages) {
    await stage.focus();
    await tab.keyboard.press("Home");
    const first = await stage.evaluate((it) => it.getAttribute("aria-valuetext"));
    await tab.keyboard.press("End");
    const [last, shown, now, most] = await stage.evaluate((it) =>
      [it.getAttribute("aria-valuetext"), it.querySelector(".reading").innerText, it.getAttribute("aria-valuenow"), it.getAttribute("aria-valuemax")]);
    assert.equal(now, most);
    assert.ok(/\d/.test(first) && /\d/.test(last) && shown.length > 5, `${first} / ${last} / ${shown}`);
    if (most !== "0") assert.notEqual(first, last);
    await tab.keyboard.press("Escape");
    assert.ok(await stage.evaluate((it) => it.querySelector(".reading").hidden));
  }
  return `${stages.length} charts`;
}

async function pointer(tab) {
  for (const stage of await tab.$$(".stage")) {
    await stage.scrollIntoView();
    const box = await stage.boundingBox();
    const seen = new Set();
    for (const part of [0.2, 0.5, 0.8]) {
      await tab.mouse.move(box.x + box.width * part, box.y + box.height / 2);
      const [text, left, right] = await stage.evaluate((it) => {
        const reading = it.querySelector(".reading");
        const [inner, outer] = [reading.getBoundingClientRect(), it.getBoundingClientRect()];
        return [reading.innerText, inner.left - outer.left, outer.right - inner.right];
      });
      assert.ok(text.length > 5 && left >= -1 && right >= -1, `${text} ${left} ${right}`);
      seen.add(text);
    }
    await tab.mouse.move(2, 2);
    assert.ok(seen.size > 0);
  }
}

async function tables(tab) {
  const rows = await tab.evaluate(async () => {
    const all = [];
    for (const figure of document.querySelectorAll("figure[data-chart]")) {
      const details = figure.querySelector("details");
      if (!details) continue;
      details.open = true;
      await new Promise((done) => setTimeout(done, 30));
      all.push([figure.dataset.chart, details.querySelectorAll("tbody tr").length, Number(figure.querySelector(".stage").getAttribute("aria-valuemax")) + 1]);
      details.open = false;
    }
    return all;
  });
  for (const [name, has, readable] of rows) assert.ok(has === readable && has > 0, `${name}: ${has} rows for ${readable}`);
  return rows.map(([name, has]) => `${name} ${has}`).join(", ");
}

async function accessible(tab) {
  // The page's policy forbids eval, but not the browser's own way in.
  const session = await tab.createCDPSession();
  await session.send("Runtime.evaluate", { expression: axe });
  await session.detach();
  const violations = await tab.evaluate(async () => {
    const found = await window.axe.run(document, { resultTypes: ["violations"] });
    return found.violations.map((it) => `${it.id} (${it.impact}): ${it.nodes.slice(0, 3).map((node) => node.target.join(" ")).join("; ")}`);
  });
  assert.deepEqual(violations, []);
}
