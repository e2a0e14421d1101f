// The clinic's desk, somebody who stands by for a leftover place, and the telephone agent: at the second
// service, which has a campaign and no room.
import { giveTheName } from "./console.mjs";
import { Person } from "./people.mjs";
import * as theatre from "./stage.mjs";

const HALF_AN_HOUR_MS = 1_800_000;

export async function seeTheDesks(stage) {
  const there = { ...stage, ...stage.unheard };
  const call = await theatre.operator(there.base, there.password);
  const starts_at_ms = Date.now() + HALF_AN_HOUR_MS;
  const { runs } = await call("/slots", { rows: [{ desk: 0, slots: [{ starts_at_ms, vaccine: 0, capacity: 3 }] }] });
  const slot = runs[0].first;
  const code = await theatre.bookFirst(there.base, { name: "박하나", birth: "1963-05-01", telephone: "01070000011" }, slot);
  const day = new Date(starts_at_ms + 9 * 3_600_000).toISOString().slice(0, 10);
  const she = await standBy(there);
  await runTheDesk(there, `/operator/desk/0?day=${day}`, code);
  await takeThePlace(there, she);
  await answerThePhone(there);
}

async function standBy(stage) {
  const she = await Person.arrive(stage, { name: "who stands by", telephone: "010-7000-0012" });
  await she.open("/identify?next=/book/1/desks/0");
  await she.say({ ...she.who(), year: "1964" });
  await she.press("form[action='/identify'] button");
  await she.giveCode();
  await stage.surveyor.survey(she.page, "standby-clinic");
  await she.say({ minutes: "20" });
  await she.press("form[action='/standby/0'] button");
  await stage.surveyor.survey(she.page, "standby-bookings");
  return she;
}

async function runTheDesk(stage, today, code) {
  const { surveyor } = stage;
  const expect = (holds, what) => surveyor.expect("desk", holds, what);
  const clinic = await Person.arrive(stage, { name: "the clinic", width: 1280, language: "en" });
  await clinic.open("/operator");
  await giveTheName(clinic);
  await clinic.open("/operator/desk");
  await surveyor.survey(clinic.page, "desk-choice");
  await clinic.open(today);
  await surveyor.survey(clinic.page, "desk-day");
  expect(!(await clinic.page.content()).includes("박하나"), "somebody is named");
  // As a scanner does it: the cursor is there already.
  await clinic.open(today);
  expect(await clinic.page.evaluate(() => document.activeElement.id === "code"), "the cursor is not in the code's field");
  await clinic.page.keyboard.type(`${stage.base}/bookings/${code}`);
  await Promise.all([clinic.page.waitForNavigation(), clinic.page.keyboard.press("Enter")]);
  await surveyor.survey(clinic.page, "desk-found", { still: true });
  await clinic.press(".box .deeds button[formaction$='/contact']");
  expect((await clinic.page.content()).includes("박하나"), "nobody is named");
  await surveyor.survey(clinic.page, "desk-contact", { still: true });
  await clinic.press(".box .deeds button");
  await clinic.say({ name: "이서준", year: "1965", month: "2", day: "3", telephone: "010-7000-0013" });
  await clinic.press("form[action$='/walk-in'] button");
  await clinic.press("form[action$='/offer'] button");
  await surveyor.survey(clinic.page, "desk-offered");
  await clinic.press("a[href*='/print']");
  await surveyor.survey(clinic.page, "desk-print");
  await clinic.press("form[action$='/print'] button");
  await surveyor.survey(clinic.page, "desk-print-names", { still: true });
  const names = (await clinic.page.content()).match(/박하나|이서준/g) ?? [];
  expect(new Set(names).size === 2, `not everybody is on the paper: ${names}`);
  await clinic.context.close();
}

async function takeThePlace(stage, she) {
  await she.open("/bookings");
  await she.press("a[href^='/hold/']");
  await stage.surveyor.survey(she.page, "standby-offer");
  stage.surveyor.expect("standby", await she.page.locator("[role=timer]").isVisible(), "the offer has no clock");
  await she.press("form[action$='/confirm'] button");
  stage.surveyor.expect("standby", she.page.url().includes("/bookings/"), "the place is not hers");
  await she.context.close();
}

async function answerThePhone(stage) {
  const { surveyor } = stage;
  const agent = await Person.arrive(stage, { name: "the agent", width: 1280, telephone: "010-7000-0014" });
  await agent.open("/operator");
  await giveTheName(agent);
  await agent.open("/operator/phone");
  await surveyor.survey(agent.page, "phone-who");
  await agent.open("/operator/phone");
  await agent.type({ ...agent.who(), year: "1962" });
  await agent.enter("form[action$='/find'] button");
  await surveyor.survey(agent.page, "phone-code", { still: true });
  await agent.page.focus("#code");
  await agent.page.keyboard.type(await theatre.codeFor(agent.base, agent.telephone));
  await Promise.all([agent.page.waitForNavigation(), agent.page.keyboard.press("Enter")]);
  await surveyor.survey(agent.page, "phone-caller");
  await agent.enter("a[href='/operator/phone/book/1']");
  // One select after the other: each has one choice here.
  for (let step = 0; step < 3; step++) await agent.enter("form[method=get] button");
  await surveyor.survey(agent.page, "phone-times", { still: true });
  await agent.enter("form[action$='/hold'] button");
  await surveyor.survey(agent.page, "phone-held", { still: true });
  await agent.enter("form[action$='/confirm'] button");
  surveyor.expect("phone", await agent.page.locator(".state.open").isVisible(), "nothing is booked for the caller");
  await agent.press("form[action$='/phone/forget'] button");
  await surveyor.survey(agent.page, "phone-forget", { still: true });
  await agent.press("form[action$='/phone/forget'] button");
  surveyor.expect("phone", await agent.page.locator(".note.good").isVisible(), "the caller is not forgotten");
  surveyor.expect("phone", await agent.page.locator("form[action$='/find']").isVisible(), "the call goes on");
  await agent.context.close();
}
