// Looks at one page from all sides and writes down what is wrong: width by language,
// accessibility, dark, text at 200 %, without scripts, weight on the wire. Pictures are for people to
// look at; everything here is asserted.
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SIZES = { 360: { width: 360, height: 740 }, 1280: { width: 1280, height: 800 } };
const LANGUAGES = ["ko", "en"];
// Fingers are wide: the side of what is pressed, CSS pixels.
const TARGET_PX = 44;
const LETTERS_PX = 16;
// Faults of one layout that are told one by one.
const TOLD = 8;
// All bytes of a first visit, heads included, and its requests: the page, the style sheets,
// the scripts. Nothing else may ever be fetched by a page.
const WAITING = { bytes: 14_000, requests: 3 };
const OTHER = { bytes: 14_000, requests: 5 };
// The operator's pages with plots bring what draws them.
const PLOTS = { bytes: 48_000, requests: 6 };

export class Surveyor {
  constructor(base, pictures) {
    Object.assign(this, { base, pictures, faults: [], pages: 0, weights: [] });
    rmSync(pictures, { recursive: true, force: true });
    mkdirSync(pictures, { recursive: true });
  }

  fault(where, what) {
    this.faults.push(`${where}: ${what}`);
    if (!this.silent) console.log(`   FAULT ${where}: ${what}`);
  }

  expect(where, holds, what) {
    if (!holds) this.fault(where, what);
  }

  // Hears what a page complains about: errors of scripts, refused content, failed requests.
  // `expected` holds statuses that the walk provokes.
  listen(page, who) {
    page.on("console", (message) => {
      const text = message.text();
      const provoked = /status of (403|404|409|410|422|429|503)|ERR_INTERNET_DISCONNECTED/.test(text);
      if (message.type() === "error" && !provoked) this.fault(who, `console: ${text}`);
    });
    page.on("pageerror", (error) => this.fault(who, `script: ${error.message}`));
  }

  // The page that is shown, in both languages and widths. It must be one that can be got.
  // `ready` waits for what scripts still bring after the page is loaded.
  async survey(page, name, { waiting = false, still = false, plots = false, ready = async () => {} } = {}) {
    const first = await page.evaluate(() => document.documentElement.lang);
    this.pages += 1;
    for (const language of LANGUAGES) {
      if (!still) await this.inLanguage(page, language);
      await ready(page);
      const shown = still ? first : language;
      const speaks = await page.evaluate(() => document.documentElement.lang);
      this.expect(name, speaks === shown, `speaks ${speaks}, not ${shown}`);
      for (const width of [360, 1280]) {
        await page.setViewportSize(SIZES[width]);
        await this.look(page, `${name}-${width}-${shown}`);
        const isSample = (width === 360) === (shown === "ko") || still;
        if (isSample) await this.check(page, `${name}-${width}-${shown}`);
      }
      if (still) break;
    }
    await this.variants(page, name);
    if (!still) {
      await this.inLanguage(page, first);
      await this.weigh(page, name, plots ? PLOTS : waiting ? WAITING : OTHER);
    }
  }

  // By the page's own link, which must lead back to the same page.
  async inLanguage(page, language) {
    const link = page.locator(`header a[hreflang=${language}]`);
    if (!(await link.count())) return page.reload();
    const before = new URL(page.url());
    await Promise.all([page.waitForNavigation(), link.click()]);
    const after = new URL(page.url());
    const same = before.pathname === after.pathname && before.searchParams.get("next") === after.searchParams.get("next");
    this.expect(after.pathname, same, `the other language of ${before} is ${after}`);
  }

  // A picture of the page as it is, and its layout.
  async look(page, name) {
    await page.screenshot({ path: join(this.pictures, `${name}.png`), fullPage: true });
    const faults = await page.evaluate(layout, { TARGET_PX, LETTERS_PX });
    for (const fault of faults.slice(0, TOLD)) this.fault(name, fault);
    if (faults.length > TOLD) this.fault(name, `and ${faults.length - TOLD} more of that kind`);
  }

  // Dark; with every text twice as large (what a phone's own setting does); and the width that
  // 1,280 pixels leave at a zoom of 200 %.
  async variants(page, name) {
    await page.setViewportSize(SIZES[360]);
    await page.emulateMedia({ colorScheme: "dark" });
    await this.look(page, `${name}-360-dark`);
    await this.check(page, `${name}-360-dark`, ["color-contrast"]);
    await page.emulateMedia({ colorScheme: "light" });
    await page.evaluate(() => document.documentElement.style.setProperty("font-size", "212.5%"));
    await this.look(page, `${name}-360-text200`);
    await page.evaluate(() => document.documentElement.style.removeProperty("font-size"));
    await page.setViewportSize({ width: 640, height: 400 });
    await this.look(page, `${name}-1280-zoom200`);
    await page.setViewportSize(SIZES[360]);
  }

  // What the accessibility engine finds serious or critical, by WCAG 2.1 A and AA.
  async check(page, name, rules) {
    await page.evaluate(AXE);
    const found = await page.evaluate(async (only) => {
      const runOnly = only ? { type: "rule", values: only } : ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];
      const result = await window.axe.run(document, { runOnly, resultTypes: ["violations"] });
      return result.violations
        .filter((violation) => ["serious", "critical"].includes(violation.impact))
        .map((violation) => `${violation.id} (${violation.help}) at ${violation.nodes.map((node) => node.target.join(" ")).join(", ")}`);
    }, rules);
    for (const fault of found) this.fault(name, `axe: ${fault}`);
  }

  // Everything a first visit fetches, as it goes over the wire.
  async weigh(page, name, limit) {
    const wire = await page.context().newCDPSession(page);
    await wire.send("Network.enable");
    await wire.send("Network.setCacheDisabled", { cacheDisabled: true });
    const seen = new Map();
    wire.on("Network.requestWillBeSent", ({ requestId, request }) => {
      if (!request.url.startsWith("data:")) seen.set(requestId, { url: request.url, bytes: 0 });
    });
    wire.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      if (seen.has(requestId)) seen.get(requestId).bytes = encodedDataLength;
    });
    await page.reload({ waitUntil: "load" });
    // Polls may come after the page; they are not part of the first visit.
    const parts = [...seen.values()].filter((part) => !part.url.includes("/api/"));
    await wire.detach();
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    this.expect(name, parts.length > 0 && parts.every((part) => part.bytes > 0), "its bytes were not seen");
    this.expect(name, bytes <= limit.bytes, `${bytes} bytes, ${limit.bytes} at most`);
    this.expect(name, parts.length <= limit.requests, `${parts.length} requests, ${limit.requests} at most`);
    this.weights.push({ name, bytes, requests: parts.length });
  }

  // The test of the test: a page on which everything is wrong, of which everything is found.
  async findsWhatIsPlanted(browser) {
    const blind = Object.assign(Object.create(Surveyor.prototype), { pictures: this.pictures, faults: [], silent: true });
    const page = await browser.newPage({ viewport: SIZES[360] });
    blind.listen(page, "planted");
    await page.setContent(`<!doctype html><html lang="ko"><title>x</title><main><h1>x</h1>
      <p style="width:400px">wide</p><p style="font-size:12px">small</p><p style="color:#bbb;background:#fff">pale</p>
      <p style="width:60px;overflow:hidden;white-space:nowrap">cut off where it ends</p><button style="height:20px">press</button>
      <input><img src="data:,"></main><script>setTimeout(() => { throw new Error("thrown"); });</script>`);
    await page.waitForTimeout(50);
    await blind.look(page, "planted");
    await blind.check(page, "planted");
    await page.close();
    const found = blind.faults.join("\n");
    for (const sign of ["sideways", "letters of 12px", "color-contrast", "cut off", "to press", "label", "image-alt", "thrown"]) {
      this.expect("test of the test", found.includes(sign), `${sign} is not found:\n${found}`);
    }
  }

  // Every page that is open when a walk fails.
  async keepWhatIsShown(browser) {
    for (const [at, page] of browser.contexts().flatMap((context) => context.pages()).entries()) {
      await page.screenshot({ path: join(this.pictures, `FAULT-${at}.png`) }).catch(() => {});
    }
  }

  report() {
    const lines = this.weights.map(({ name, bytes, requests }) => `${name.padEnd(24)} ${`${bytes}`.padStart(6)} bytes ${requests} requests`);
    writeFileSync(join(this.pictures, "weights.txt"), `${lines.join("\n")}\n`);
    appendFileSync(join(this.pictures, "weights.txt"), this.faults.map((fault) => `FAULT ${fault}\n`).join(""));
    const most = [...this.weights].sort((one, other) => other.bytes - one.bytes)[0];
    console.log(`pages: ${this.pages} looked at, the heaviest is ${most?.name} with ${most?.bytes} bytes; pictures in ${this.pictures}`);
    console.log(`pages: ${this.faults.length} faults`);
    return this.faults.length === 0;
  }
}

// Runs in the page: what sticks out, is cut off, too small to press or to read.
function layout({ TARGET_PX, LETTERS_PX }) {
  const faults = [];
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) faults.push(`scrolls sideways: ${wide} of ${innerWidth} pixels`);
  const label = (e) => `${e.tagName.toLowerCase()}${e.id ? `#${e.id}` : ""} "${(e.textContent || e.name || "").trim().slice(0, 30)}"`;
  for (const e of document.body.querySelectorAll("*")) {
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    if (!box.width || !box.height || style.visibility === "hidden" || e.closest(".skip")) continue;
    if (box.right > innerWidth + 1 || box.left < -1) faults.push(`${label(e)} sticks out to ${Math.round(box.right)}`);
    const clips = style.overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1;
    if (clips && !["INPUT", "TEXTAREA", "SELECT"].includes(e.tagName)) faults.push(`${label(e)} is cut off`);
    const ownText = [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (ownText && parseFloat(style.fontSize) < LETTERS_PX - 0.2) faults.push(`${label(e)} has letters of ${style.fontSize}`);
    if (!e.matches("a,button,input:not([type=hidden]),select,textarea,summary")) continue;
    // A link inside a sentence is as high as its line (WCAG 2.5.8 allows it).
    const inSentence = style.display === "inline" && e.parentElement.textContent.trim() !== e.textContent.trim();
    if (!inSentence && (box.height < TARGET_PX - 0.5 || box.width < TARGET_PX - 0.5)) {
      faults.push(`${label(e)} is ${Math.round(box.width)} by ${Math.round(box.height)} pixels to press`);
    }
  }
  return faults;
}
