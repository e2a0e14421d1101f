// The operator's console, as far as the waiting and booking of this walk need it.
import { Person } from "./people.mjs";
import * as theatre from "./stage.mjs";

const DAY_MS = 86_400_000;

export async function signIn(stage) {
  const { surveyor } = stage;
  const operator = await Person.arrive(stage, { name: "operator", width: 1280 });
  await operator.open("/operator");
  await surveyor.survey(operator.page, "operator-sign-in");
  await giveTheName(operator);
  await surveyor.survey(operator.page, "operator-overview");
  await operator.open("/operator/rooms/1");
  await surveyor.survey(operator.page, "operator-room");
  await operator.open("/operator/campaigns/1");
  await surveyor.survey(operator.page, "operator-campaign");
  return operator;
}

async function giveTheName(operator) {
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
  await stage.surveyor.survey(operator.page, "operator-messages");
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
  await stage.surveyor.survey(operator.page, "operator-paused");
}

export async function resume(operator) {
  await operator.open("/operator/rooms/1");
  await operator.press("form[action$='/resume'] button");
}
