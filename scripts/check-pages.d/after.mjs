// After the opening: the line, a pause, a lost network, the turn, the booking, fairness.
import { Person } from "./people.mjs";
import { calendarOf, checkProofs, checkStruckOut } from "./proofs.mjs";
import { get } from "./stage.mjs";

// The draw put her among the first: she would be called before her line was looked at.
export class DrawnFirst extends Error {}
const PLACE_MIN = 5;

// The line on a phone with scripts: it changes by itself, says when the network is gone and
// comes back by itself.
export async function waitInLine(stage, her) {
  const { surveyor } = stage;
  const { page } = her;
  await page.locator("#line:not([hidden]),#called:not([hidden])").waitFor({ timeout: 30_000 });
  const place = Number((await page.textContent("#place")).replace(/\D/g, ""));
  if (place < PLACE_MIN) throw new DrawnFirst();
  await surveyor.survey(page, "line", { waiting: true });
  await her.context.setOffline(true);
  await page.locator("#off").waitFor({ state: "visible" });
  await surveyor.look(page, "line-360-offline");
  surveyor.expect("offline", await page.locator("#line").isVisible(), "the place is gone with the network");
  await her.context.setOffline(false);
  await page.locator("#off").waitFor({ state: "hidden", timeout: 15_000 });
}

export async function waitThroughAPause(stage, her) {
  const { surveyor } = stage;
  await her.page.reload();
  await her.page.locator("#paused").waitFor({ state: "visible" });
  surveyor.expect("paused", (await her.page.textContent("#why")).includes("점검"), "the reason is not said");
  await surveyor.survey(her.page, "paused", { waiting: true });
}

// A sound at the turn is made only for those who ask, and is tried out when they do.
export async function askForASound(stage, her) {
  const { page } = her;
  await page.addInitScript(() => {
    window.sounds = 0;
    const make = AudioContext.prototype.createOscillator;
    AudioContext.prototype.createOscillator = function () {
      window.sounds += 1;
      return make.call(this);
    };
  });
  await page.reload();
  await page.locator("#line").waitFor({ state: "visible" });
  stage.surveyor.expect("bell", (await page.evaluate(() => window.sounds)) === 0, "it sounds without being asked");
  await page.locator("#bell").click();
  stage.surveyor.expect("bell", (await page.evaluate(() => window.sounds)) === 1, "the sound is not tried out");
  await stage.surveyor.look(page, "line-360-bell");
}

// The turn, as it is told by the page itself, its title and its sound. A network that comes
// back makes the page ask; it is not loaded again.
export async function becomeCalled(stage, her) {
  const { surveyor } = stage;
  const { page } = her;
  await her.context.setOffline(true);
  await page.locator("#off").waitFor({ state: "visible" });
  await her.context.setOffline(false);
  await page.locator("#called").waitFor({ state: "visible", timeout: 30_000 });
  surveyor.expect("called", (await page.evaluate(() => window.sounds)) > 1, "no sound, though it was asked for");
  surveyor.expect("called", (await page.title()).includes("지금 들어오세요"), `the title says ${await page.title()}`);
  await surveyor.survey(page, "called", { waiting: true });
}

// From the turn to a booking that is cancelled again; each page from all sides.
export async function book(stage, her) {
  const { surveyor } = stage;
  const { page } = her;
  await her.press("form[action$='/enter'] button");
  await surveyor.survey(page, "choose-region");
  await her.press("ul.list a");
  await surveyor.survey(page, "choose-district");
  await her.press("a[href*='all=true']");
  await surveyor.survey(page, "choose-all");
  await earliestFirst(surveyor, page, "choose-all");
  await her.press("p > a.tap");
  await her.press("ul.list a");
  await surveyor.survey(page, "choose-clinic");
  await earliestFirst(surveyor, page, "choose-clinic");
  await her.press("ul.list a");
  await surveyor.survey(page, "choose-time");
  await her.press("button[name=slot]");
  await surveyor.survey(page, "hold");
  // It is written by the page's script, which may not have run yet.
  await page.locator("[data-until]:not(:empty)").waitFor();
  surveyor.expect("hold", /^([1-5]분 )?\d+초$/.test(await page.textContent("[data-until]")), "the hold's clock is not shown");
}

// The first list of clinics: those with the earliest free place first, full ones last.
async function earliestFirst(surveyor, page, name) {
  const rows = await page.locator("ul.list").first().locator("li").evaluateAll((all) => all.map((row) => row.querySelector("time")?.dateTime ?? "9"));
  const sorted = rows.every((row, at) => at === 0 || rows[at - 1] <= row);
  surveyor.expect(name, rows.length > 0 && rows[0] !== "9" && sorted, `not in order: ${rows.join(" ")}`);
}

export async function confirmAndCancel(stage, her) {
  const { surveyor } = stage;
  const { page } = her;
  await her.press("form[action$='/confirm'] button");
  await surveyor.survey(page, "booked");
  const event = await checkProofs(surveyor, page, her.base);
  const { href } = await calendarOf(page);
  await onPaper(surveyor, page);
  const stranger = await Person.arrive(stage, { name: "stranger" });
  const answer = await stranger.open(href);
  surveyor.expect("calendar", !answer.headers()["content-type"].startsWith("text/calendar"), "a stranger gets it");
  await stranger.context.close();
  await page.goBack();
  await page.waitForLoadState();
  surveyor.expect("back", !(await page.locator("form[action$='/confirm']").isVisible()), "going back offers a hold that is over");
  await her.open("/rooms/1");
  await surveyor.survey(page, "room-inside", { waiting: true });
  await her.open("/bookings");
  await surveyor.survey(page, "bookings");
  await her.press("ul.list a");
  await her.press("a[href$='/cancel']");
  await surveyor.survey(page, "cancel");
  await her.press("form[action$='/cancel'] button");
  await surveyor.survey(page, "cancelled");
  await checkStruckOut(surveyor, page, event);
}

async function onPaper(surveyor, page) {
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  await page.setViewportSize({ width: 700, height: 990 });
  await surveyor.look(page, "booked-paper");
  const shown = await page.evaluate(() => {
    const seen = (selector) => [...document.querySelectorAll(selector)].some((e) => e.getClientRects().length);
    return { pressed: seen("nav,.b,button"), code: seen(".key") && seen(".qr"), ink: getComputedStyle(document.body).color };
  });
  surveyor.expect("paper", !shown.pressed, "what can be pressed is printed");
  surveyor.expect("paper", shown.code, "the booking's code is not printed, or not its picture");
  surveyor.expect("paper", shown.ink === "rgb(0, 0, 0)", `the ink is ${shown.ink}`);
  await page.emulateMedia({ media: "screen", colorScheme: "light" });
}

// One person on two devices has one hold.
export async function holdOnce(stage, tablet) {
  const { surveyor } = stage;
  await tablet.open("/rooms/1");
  await tablet.press("form[action$='/enter'] button");
  await tablet.open("/bookings");
  const held = await tablet.page.locator("ul.list > li").count();
  surveyor.expect("another device", held === 1, `${held} bookings on the tablet, one hold on the phone`);
  await tablet.open("/book/1/desks/0");
  await tablet.press("button[name=slot]");
  surveyor.expect("another device", !tablet.page.url().includes("/hold/"), "a second place was held");
  await surveyor.survey(tablet.page, "error-second-hold", { still: true });
}

// Without scripts, and with nothing that a script would be needed for.
export async function bookWithoutScripts(stage, him) {
  const { surveyor } = stage;
  const look = (name) => surveyor.look(him.page, `${name}-360-noscript`);
  await him.open("/rooms/1");
  await look("line");
  const refresh = Number(await him.page.locator("meta[http-equiv=refresh]").getAttribute("content"));
  surveyor.expect("without scripts", refresh >= 3 && refresh <= 720, `loads again after ${refresh} s`);
  await stage.hurry();
  await him.reloadUntil("#called");
  await look("called");
  await him.press("form[action$='/enter'] button");
  for (const name of ["choose-region", "choose-district", "choose-clinic"]) {
    await look(name);
    await him.press("ul.list a");
  }
  await look("choose-time");
  await him.press("button[name=slot]");
  await look("hold");
  await him.press("form[action$='/confirm'] button");
  await look("booked");
  await him.press("a[href$='/cancel']");
  await him.press("form[action$='/cancel'] button");
  await look("cancelled");
}

export async function bookByKeyboard(stage, clerk) {
  const { surveyor } = stage;
  await clerk.open("/rooms/1");
  await clerk.reloadUntil("#called");
  await clerk.enter("form[action$='/enter'] button");
  for (let step = 0; step < 3; step++) await clerk.enter("ul.list a");
  await clerk.enter("button[name=slot]");
  await clerk.enter("form[action$='/confirm'] button");
  surveyor.expect("keyboard", await clerk.page.locator(".key").isVisible(), "no booking by keyboard alone");
}

// The fairness page computes every place as the service does, and its sum adds up.
export async function checkFairness(stage, her) {
  const { surveyor } = stage;
  const { page } = her;
  await her.open("/rooms/1/fairness");
  await surveyor.survey(page, "fairness");
  const room = await get(stage.base, "/api/v1/rooms/1");
  const numbers = [1, 2, room.draw.lobby, room.draw.lobby + 1, Math.ceil(room.draw.lobby / 2)];
  const without = await Person.arrive(stage, { name: "reader", scripts: false });
  for (const number of numbers) {
    await page.fill("#ticket", `${number}`);
    await page.locator("#check button").click();
    const here = await page.textContent("#result");
    await without.open(`/rooms/1/fairness?ticket=${number}`);
    const there = await without.page.textContent("#result");
    surveyor.expect("fairness", here.length > 5 && here === there, `ticket ${number}: "${here}" here, "${there}" by the service`);
  }
  const places = await page.evaluate(({ lobby, mixed }) => {
    const seed = mixed.match(/../g).map((two) => parseInt(two, 16));
    return Array.from({ length: lobby }, (_, serial) => window.jari.shuffled(serial, lobby, seed));
  }, room.draw);
  const whole = [...places].sort((one, other) => one - other).every((place, at) => place === at);
  surveyor.expect("fairness", whole, "the places of the lobby are not a permutation");
  const kept = async () => (await page.locator("#kept").isVisible()) && !(await page.locator("#broken").isVisible());
  surveyor.expect("fairness", await kept(), "the seed is not found to be the promised one");
  await adds(surveyor, page);
  await without.context.close();
}

async function adds(surveyor, page) {
  const [capacity, ...parts] = await page.locator("#supply [data-part]").evaluateAll((all) => all.map((e) => Number(e.textContent.replace(/\D/g, ""))));
  const sum = parts.reduce((one, other) => one + other, 0);
  surveyor.expect("fairness", parts.length === 5 && sum === capacity && capacity > 0, `${capacity} is not ${parts.join(" + ")}`);
}

// Whoever still waits when the room ends.
export async function seeTheEnd(stage, late) {
  await late.open("/rooms/1");
  await stage.surveyor.survey(late.page, "closed", { waiting: true });
}
