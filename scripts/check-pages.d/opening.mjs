// A whole opening day from the console, with nothing but a browser: a table, a campaign and its room, a
// rehearsal, the opening, a pause, a quota, the end, and the tables that are taken away.
import { giveTheName } from "./console.mjs";
import { Person } from "./people.mjs";

const DAY_MS = 86_400_000;

// Two clinics, three days from now; one row of each kind that is wrong, if asked for.
function table(bad) {
  const day = new Date(Date.now() + 3 * DAY_MS).toISOString().slice(0, 10);
  const head = "clinic_id,clinic_name,address,region,district,postcode,starts_at,ends_at,capacity,vaccine";
  const row = (id, name, hour, capacity) =>
    `${id},${name},${name} 앞 1,서울,중구,04524,${day}T${hour}:00:00+09:00,${day}T${hour}:30:00+09:00,${capacity},Moderna`;
  const rows = [row("a", "하늘의원", "09", 6), row("a", "하늘의원", "10", 6), row("b", "바다의원", "09", 4)];
  if (bad) rows.push(row("c", "강의원", "09", 0), row("d", "산의원", "09", "many"));
  const buffer = Buffer.from([head, ...rows].join("\r\n"));
  return { name: "clinics.csv", mimeType: "text/csv", buffer };
}

export async function runAnOpeningDay(stage) {
  const { base, password } = stage.unheard;
  const there = { ...stage, base, password };
  const { surveyor } = stage;
  const expect = (holds, what) => surveyor.expect("opening", holds, what);
  const chief = await Person.arrive(there, { name: "the chief", width: 1280, language: "en" });
  const page = chief.page;
  await chief.open("/operator");
  await giveTheName(chief);
  await chief.press("a[href='/operator/openings']");
  await surveyor.survey(page, "opening-empty");
  await page.setInputFiles("#look-table", table(true));
  await chief.press("form[action$='/look'] button");
  expect((await page.locator(".audit li").count()) === 2, "not both bad rows are named");
  await surveyor.survey(page, "opening-bad", { still: true });
  await page.setInputFiles("#look-table", table(false));
  await chief.press("form[action$='/look'] button");
  await chief.say({ name: "55-59", "born-from": "1962-01-01", "born-until": "1966-12-31" });
  await surveyor.survey(page, "opening-found", { still: true });
  await page.setInputFiles("#table", table(false));
  await page.check("#sure");
  await chief.press("form[action$='/create'] button");
  expect(/\/operator\/campaigns\/\d+\?done=1/.test(page.url()), `nothing was made: ${page.url()}`);
  const campaign = new URL(page.url()).pathname;
  expect((await page.content()).includes("16"), "the sixteen places are not shown");
  await rehearse(chief, expect);
  await chief.open(campaign);
  const decide = async (deed, fields) => {
    await chief.say(Object.fromEntries(Object.entries(fields).map(([name, text]) => [`${deed}-${name}`, text])));
    await chief.press(`form[action$='/${deed}'] button`);
    await chief.press(`form[action$='/${deed}'] button`);
    expect(await page.locator(".note.good[role=status]").isVisible(), `${deed} was not done`);
  };
  await chief.press("nav.ways a[href^='/operator/rooms/']");
  await decide("open", { reason: "all is ready" });
  await chief.reloadUntil("h1 .state.open");
  await decide("pause", { reason: "a look at the disk" });
  await chief.press("form[action$='/resume'] button");
  await chief.press("nav.ways a[href^='/operator/campaigns/']");
  await decide("quota", { quota: "20", reason: "four more doses came" });
  await decide("close", { reason: "it is over for today" });
  await surveyor.survey(page, "opening-over", { plots: true });
  for (const [name, told] of [["places", "바다의원"], ["events", "four more doses came"], ["bookings", "booking,code"]]) {
    const coming = page.waitForEvent("download");
    await page.click(`a[href$='/export/${name}']`);
    const text = await (await coming).createReadStream().then(read);
    expect(text.includes(told), `${name} says nothing of ${told}`);
  }
  await chief.context.close();
}

// The report comes as a page of its own, cut off from the site.
async function rehearse(chief, expect) {
  const { page, surveyor } = chief;
  await chief.say({ "rehearse-people": "200" });
  await chief.press("form[action$='/rehearse'] button");
  const text = await page.content();
  expect(text.includes("rehearsal") && (await page.locator("svg").count()) > 3, "the rehearsal has no report");
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.screenshot({ path: `${surveyor.pictures}/rehearsal-1280.png`, fullPage: true });
  await page.setViewportSize({ width: 360, height: 740 });
  await page.screenshot({ path: `${surveyor.pictures}/rehearsal-360.png`, fullPage: true });
  await page.setViewportSize({ width: 1280, height: 800 });
}

async function read(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}
