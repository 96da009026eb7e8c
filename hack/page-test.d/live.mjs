// Follows a run by its page while it goes on, to its end.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const [executablePath, pictures, tool, directory] = process.argv.slice(2);
if (pictures) await mkdir(pictures, { recursive: true });

const run = spawn(tool, ["run", "quick", "--no-progress", "--live", "127.0.0.1:0", "--output-dir", directory]);
const ended = new Promise((done) => run.on("exit", done));
let log = "";
const url = await new Promise((found, lost) => {
  run.stderr.on("data", (data) => {
    log += data;
    const told = log.match(/watch the run at (\S+)/);
    if (told) found(told[1]);
  });
  ended.then((code) => lost(new Error(`the run ended with ${code} and did not say where its page is: ${log}`)));
});
run.stdout.resume();

const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
const browser = await puppeteer.launch({ executablePath, args });
try {
  const tab = await browser.newPage();
  const said = [];
  let begun = false;
  tab.on("console", (message) => begun && said.push(message.text()));
  tab.on("pageerror", (error) => said.push(error.message));
  await tab.setViewport({ width: 1200, height: 900 });
  await tab.goto(url);
  // Until the run has begun there is a line of text that asks again by itself.
  await tab.waitForSelector("#live", { timeout: 30_000 });
  begun = true;
  const look = () =>
    tab.evaluate(() => ({
      verdict: document.querySelector("#verdict strong").textContent,
      live: document.getElementById("live")?.textContent,
      drawn: document.querySelectorAll("figure[data-chart] svg .marks > *").length,
    }));
  const first = await look();
  assert.equal(first.verdict, "Running");
  await tab.select("#theme", "dark");
  await tab.evaluate(() => document.activeElement.blur());
  await tab.waitForFunction((before) => document.getElementById("live")?.textContent !== before, { timeout: 10_000 }, first.live);
  await tab.waitForFunction(() => document.querySelectorAll("figure[data-chart] svg .marks > *").length > 10, { timeout: 30_000 });
  const later = await look();
  assert.equal(await tab.evaluate(() => document.documentElement.dataset.theme), "dark");
  console.log(`live\n  √ it says that it goes on, and follows: ${later.drawn} marks in its charts after ${later.live.match(/[\d.,]+ \S+(?= since)/)}`);
  if (pictures) await tab.screenshot({ path: join(pictures, "live.png"), fullPage: true });

  await tab.waitForFunction(() => document.getElementById("live") === null, { timeout: 120_000 });
  const code = await ended;
  const report = JSON.parse(await readFile(join(directory, "report.json"), "utf8"));
  const shown = await tab.evaluate(() => JSON.parse(document.getElementById("data").textContent).report);
  assert.deepEqual(shown, report);
  const last = await look();
  assert.equal(last.verdict.toLowerCase(), report.verdict);
  assert.ok(last.drawn > 0);
  console.log(`  √ at the end (exit code ${code}) it is the run's own page: ${last.verdict}`);
  // It has what it wants, and asks no more.
  await new Promise((done) => setTimeout(done, 3_000));
  assert.deepEqual(said, []);
  console.log("  √ nothing is said to the console");
} finally {
  await browser.close();
  run.kill();
}
