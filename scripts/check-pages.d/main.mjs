// The order of a walk: before the opening, the line, a pause, the turn, bookings, the end.
import * as after from "./after.mjs";
import * as before from "./before.mjs";
import * as desk from "./console.mjs";
import * as desks from "./desks.mjs";
import { Person } from "./people.mjs";
import { bookForAnother } from "./errand.mjs";
import * as opening from "./opening.mjs";
import { beForgotten } from "./privacy.mjs";
import * as theatre from "./stage.mjs";
import { Surveyor } from "./survey.mjs";

const [, , jari, pictures] = process.argv;
const SLOW = { entries_per_minute_max: 2, passes_max: 1000, pass_ttl_ms: 600_000, latency_goal_ms: 0, error_goal_ppm: 0 };
const QUICK = { ...SLOW, entries_per_minute_max: 6_000 };
const OPENS_AFTER_MS = 9_000;
const DRAWS_MAX = 4;
const DAY_MS = 86_400_000;

async function walk(stage, call) {
  const room = (path, body) => call(`/rooms/1/${path}`, body);
  stage.hurry = () => room("pace", { pace: QUICK, reason: "모두 들어갈 수 있습니다" });
  stage.bookingFrom = (opens_at_ms, digits) => {
    const window = { opens_at_ms, closes_at_ms: opens_at_ms + 30 * DAY_MS, digits, share_ppm: 1_000_000 };
    return call("/campaigns/1/windows", { windows: { each: [window] }, reason: "생일 끝자리로 나눕니다" });
  };
  // The opening comes when the walk is ready for it.
  await room("schedule", { opens_at_ms: Date.now() + 900_000, reason: "준비 중입니다" });
  await room("pace", { pace: SLOW, reason: "천천히 엽니다" });

  const her = await timed("a phone before the opening", () => before.arriveOnAPhone(stage));
  const tablet = await timed("the lobby", () => before.waitForTheOpening(stage, her));
  const operator = await timed("the console", () => desk.signIn(stage));
  const him = await Person.arrive(stage, { name: "him", telephone: "010-7000-0002", scripts: false, language: "en" });
  const late = await Person.arrive(stage, { name: "late", telephone: "010-7000-0003" });
  const clerk = await Person.arrive(stage, { name: "clerk", telephone: "010-7000-0004", language: "en", width: 1280 });
  await him.open("/rooms/1");
  await stage.surveyor.look(him.page, "room-360-noscript");
  await timed("a number by keyboard alone", () => takeNumberByKeyboard(clerk));

  await room("schedule", { opens_at_ms: Date.now() + OPENS_AFTER_MS, reason: "준비가 끝났습니다" });
  await her.page.reload();
  await timed("the line", () => after.waitInLine(stage, her));
  await him.takeNumber();
  await room("notices", { notices: ["오늘은 60세 이상 분들의 예약을 함께 받습니다."] });
  await desk.pause(stage, operator, "서버를 점검하고 있습니다");
  await timed("a pause", () => after.waitThroughAPause(stage, her));
  await desk.resume(operator);
  await after.askForASound(stage, her);
  await timed("without scripts", () => after.bookWithoutScripts(stage, him));
  await timed("called", () => after.becomeCalled(stage, her));
  await timed("booking", () => after.book(stage, her));
  await timed("two devices", () => after.holdOnce(stage, tablet));
  await timed("confirm, cancel", () => after.confirmAndCancel(stage, her));
  await timed("a booking by keyboard alone", () => after.bookByKeyboard(stage, clerk));
  await timed("fairness", () => after.checkFairness(stage, her));
  await late.takeNumber();
  await room("close", { reason: "오늘 예약을 마칩니다" });
  await timed("the end", () => after.seeTheEnd(stage, late));
  await timed("messages that fail", () => desk.seeMessagesFail(stage));
  await timed("the desks", () => desks.seeTheDesks(stage));
  await timed("for somebody else", () => bookForAnother(stage));
  await timed("an opening day", () => opening.runAnOpeningDay(stage));
  await timed("people's data", () => beForgotten(stage));
}

async function takeNumberByKeyboard(clerk) {
  await clerk.open("/");
  await clerk.enter("a.b[href='/rooms/1']");
  await clerk.enter("a.b[href^='/identify']");
  await clerk.type(clerk.who());
  await clerk.enter("form[action='/identify'] button");
  await clerk.type({ code: await theatre.codeFor(clerk.base, clerk.telephone) });
  await clerk.enter("form[action='/identify/code'] button");
  await clerk.enter("form[action$='/join'] button");
}

async function timed(name, act) {
  const began = Date.now();
  const result = await act();
  console.log(`   ${name}: ${((Date.now() - began) / 1_000).toFixed(1)} s`);
  return result;
}

// One whole walk; says whether it has to be done again.
async function perform() {
  const demo = await theatre.startDemo(jari);
  let browser, unheard;
  const stop = async () => {
    await browser?.close();
    await unheard?.stop();
    await demo.stop();
  };
  const interrupted = () => stop().then(() => process.exit(1));
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, interrupted);
  try {
    unheard = await theatre.startUnheard(jari);
    browser = await theatre.startBrowser();
    const surveyor = new Surveyor(demo.base, pictures);
    const stage = { base: demo.base, password: demo.password, unheard, browser, surveyor };
    const call = await theatre.operator(demo.base, demo.password);
    try {
      await surveyor.findsWhatIsPlanted(browser);
      await walk(stage, call);
    } catch (error) {
      if (error instanceof after.DrawnFirst) return true;
      surveyor.fault("walk", error.stack);
      await surveyor.keepWhatIsShown(browser);
    }
    if (!surveyor.report()) process.exitCode = 1;
    return false;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"]) process.off(signal, interrupted);
    await stop();
  }
}

for (let draws = 1; draws <= DRAWS_MAX && (await perform()); draws++) {
  console.log("   the draw put her first: another country is made up");
  if (draws === DRAWS_MAX) throw new Error("the draw puts her first every time");
}
