// The operator's console, as far as the waiting and booking of this walk need it.
import { createHmac } from "node:crypto";
import { Person } from "./people.mjs";
import * as theatre from "./stage.mjs";

const DAY_MS = 86_400_000;

export async function signIn(stage) {
  const { surveyor } = stage;
  const operator = await Person.arrive(stage, { name: "operator", width: 1280 });
  await operator.open("/operator");
  await surveyor.survey(operator.page, "operator-sign-in");
  await giveTheName(operator);
  const plots = { plots: true, ready: live };
  await surveyor.survey(operator.page, "operator-overview", plots);
  await operator.page.setViewportSize({ width: 1280, height: 800 });
  await watch(stage, operator);
  await operator.open("/operator/rooms/1");
  await surveyor.survey(operator.page, "operator-room", plots);
  await operator.open("/operator/campaigns/1");
  await surveyor.survey(operator.page, "operator-campaign", plots);
  await operator.open("/operator/runbook#alarm-slow-disk");
  await surveyor.survey(operator.page, "operator-runbook", { plots: true });
  await keepStaff(stage, operator);
  await seeWithoutScripts(stage);
  return operator;
}

// Accounts: a second factor with a code that is worked out as an authenticator does, a colleague with a
// first password, the audit list.
async function keepStaff(stage, operator) {
  const { surveyor } = stage;
  const expect = (holds, what) => surveyor.expect("operator-staff", holds, what);
  await operator.open("/operator/account");
  await surveyor.survey(operator.page, "operator-account");
  await operator.open("/operator/staff");
  await operator.say({ name: "watcher" });
  await operator.page.selectOption("#role", "auditor");
  await operator.press("form[action='/operator/staff'] button");
  await surveyor.survey(operator.page, "operator-first-password", { still: true });
  const first = await operator.page.textContent(".first");
  await operator.open("/operator/staff");
  expect(!(await operator.page.content()).includes(first), "a first password is shown twice");
  await surveyor.survey(operator.page, "operator-staff");
  // What opens on the page, at the width that the survey leaves.
  await operator.page.locator("details summary").last().click();
  await surveyor.look(operator.page, "operator-staff-open-360");
  await surveyor.check(operator.page, "operator-staff-open-360");
  const watcher = await Person.arrive(stage, { name: "watcher", language: "en", width: 1280 });
  await watcher.open("/operator");
  await watcher.say({ name: "watcher", password: first });
  await watcher.press("form[action='/operator/sign-in'] button");
  await surveyor.survey(watcher.page, "operator-password-first");
  // By keyboard alone, with a key that no camera reads.
  await watcher.type({ old: first, new: "a-password-of-my-own", again: "a-password-of-my-own" });
  await watcher.enter("form[action$='/password'] button");
  await watcher.enter("form[action$='/begin'] button");
  await surveyor.survey(watcher.page, "operator-second-factor", { still: true });
  const key = (await watcher.page.textContent("b.code")).replaceAll(" ", "");
  await watcher.type({ code: await authenticator(key) });
  await watcher.enter("form[action$='/confirm'] button");
  await surveyor.survey(watcher.page, "operator-recovery", { still: true });
  expect((await watcher.page.locator(".list .code").count()) === 10, "there are not ten recovery codes");
  await watcher.open("/operator/audit");
  await surveyor.survey(watcher.page, "operator-audit");
  expect((await watcher.page.content()).includes("added an account"), "the list does not say who was added");
  await watcher.context.close();
}

// The code of this half minute (RFC 6238).
async function authenticator(key) {
  const bits = [...key].map((sign) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(sign).toString(2).padStart(5, "0")).join("");
  const secret = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const hash = createHmac("sha1", secret).update(step).digest();
  const cut = hash.readUInt32BE(hash[19] & 15) & 0x7fffffff;
  return String(cut % 1_000_000).padStart(6, "0");
}

// The plots are drawn, and a second was heard.
async function live(page) {
  await page.waitForFunction(() => /\d\d:\d\d:\d\d/.test(document.getElementById("live")?.textContent ?? ""));
  await page.waitForFunction(() => document.querySelectorAll("#plots canvas").length === document.querySelectorAll("#plots figure").length);
}

// What moves by itself: the clock and the values; what answers: the cursor, the span, the connection.
async function watch({ surveyor }, { page, context }) {
  const expect = (holds, what) => surveyor.expect("operator-live", holds, what);
  const said = () => page.locator("#live").textContent();
  const changes = async (from) => page.waitForFunction((text) => document.getElementById("live").textContent !== text, from);
  await live(page);
  await changes(await said());
  const drawn = await page.evaluate(() => [...document.querySelectorAll("#plots canvas")].map((canvas) => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.some((value, at) => at % 4 === 3 && value > 0);
  }));
  expect(drawn.length === 8 && drawn.every(Boolean), `plots are empty: ${drawn}`);
  const values = await page.locator("#plots td").allTextContents();
  expect(values.some((value) => /[1-9]/.test(value)), `all values are nothing: ${values}`);
  const plot = page.locator("[data-plot=people] .u-over");
  const box = await plot.boundingBox();
  await page.mouse.move(box.x + box.width - 4, box.y + box.height / 2);
  expect(/^\d\d:\d\d:\d\d/.test(await said()), `the cursor says no moment: ${await said()}`);
  await page.screenshot({ path: `${surveyor.pictures}/operator-cursor-1280.png` });
  await page.mouse.move(1, 1);
  for (const span of ["21600", "604800", "900"]) {
    const answered = page.waitForResponse((response) => response.url().includes("/operator/series"));
    await page.click(`[data-span="${span}"]`);
    expect((await answered).ok(), `no series of ${span} s`);
    await live(page);
    expect((await page.getAttribute(`[data-span="${span}"]`, "aria-pressed")) === "true", `${span} is not pressed`);
    await page.screenshot({ path: `${surveyor.pictures}/operator-span-${span}.png`, fullPage: true });
  }
  await context.setOffline(true);
  await page.evaluate(() => dispatchEvent(new Event("pagehide")));
  await context.setOffline(false);
  await page.evaluate(() => dispatchEvent(new Event("pageshow")));
  await changes(await said());
}

// All of it as text.
async function seeWithoutScripts(stage) {
  const { surveyor } = stage;
  const operator = await Person.arrive(stage, { name: "operator without scripts", scripts: false });
  await operator.open("/operator");
  await giveTheName(operator);
  await surveyor.look(operator.page, "operator-overview-360-noscript");
  const values = await operator.page.locator("#plots td").allTextContents();
  surveyor.expect("operator-noscript", values.length === 18 && values.some((value) => /[1-9]/.test(value)), `values: ${values}`);
  surveyor.expect("operator-noscript", await operator.page.locator("#verdict").isVisible(), "it does not say whether all is well");
  await operator.context.close();
}

export async function giveTheName(operator) {
  await operator.say({ name: "operator", password: operator.password });
  await operator.press("form[action='/operator/sign-in'] button");
}

// The overview of a service whose messages reach nobody, with one that has failed.
export async function seeMessagesFail(stage) {
  const { base, password } = stage.unheard;
  await openACampaign(await theatre.operator(base, password));
  await theatre.bookFirst(base, { name: "김하늘", birth: "1964-03-07", telephone: "01070000009" });
  const operator = await Person.arrive({ ...stage, base, password }, { name: "another operator", width: 1280 });
  await operator.open("/operator");
  await giveTheName(operator);
  await operator.reloadUntil("#messages ~ .cols");
  await stage.surveyor.survey(operator.page, "operator-messages", { plots: true, ready: live });
  await operator.context.close();
}

async function openACampaign(call) {
  const now = Date.now();
  const rules = { version: 1, born_from: "1962-01-01", born_until: "1966-12-31", doses: 1, dose_interval_days: 0 };
  const digits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const each = [{ opens_at_ms: now - DAY_MS, closes_at_ms: now + 30 * DAY_MS, digits, share_ppm: 1_000_000 }];
  const vaccines = [{ name: "Moderna", quota: 9 }];
  const campaign = { campaign: 1, name: "55-59", quota: 9, vaccines, rules, windows: { each }, hold_ms: 300_000 };
  await call("/campaigns", campaign);
  const place = { region: "서울", district: "중구", postcode: "04524", latitude_e6: 37_566_500, longitude_e6: 126_978_000 };
  await call("/clinics", { clinics: [{ name: "하늘의원", address: "서울 중구 1", ...place }] });
  await call("/campaigns/1/desks", { clinics: [0] });
  const slots = [{ starts_at_ms: now + 2 * DAY_MS, vaccine: 0, capacity: 9 }];
  await call("/slots", { rows: [{ desk: 0, slots }] });
}

export async function pause(stage, operator, why) {
  await operator.open("/operator/rooms/1");
  await operator.say({ "pause-reason": why });
  await operator.press("form[action$='/pause'] button");
  await stage.surveyor.survey(operator.page, "operator-sure", { still: true });
  await operator.press("form[action$='/pause'] button");
  await stage.surveyor.survey(operator.page, "operator-paused", { plots: true, ready: live });
}

export async function resume(operator) {
  await operator.open("/operator/rooms/1");
  await operator.press("form[action$='/resume'] button");
}
