// A son books for his mother, with the code that goes to her telephone; both see it, and she takes it
// back: at the second service, where a place is booked without a line.
import { Person } from "./people.mjs";
import { codeFor } from "./stage.mjs";

export async function bookForAnother(stage) {
  const there = { ...stage, ...stage.unheard };
  const { surveyor } = stage;
  const expect = (holds, what) => surveyor.expect("errand", holds, what);
  const he = await Person.arrive(there, { name: "the son", telephone: "010-7000-0031" });
  const his = { name: "이아들", year: "1990", month: "5", day: "6", telephone: he.telephone };
  const hers = { name: "김어머니", year: "1963", month: "2", day: "1", telephone: "010-7000-0032" };
  he.who = () => his;
  const { page } = he;
  await he.open("/identify?next=/book/1/desks/0");
  await he.identify();
  await he.open("/book/1");
  await he.press("a[href^='/for?']");
  await surveyor.survey(page, "for-whom");
  await he.say(hers);
  await he.press("form[action='/for'] button");
  await surveyor.survey(page, "for-code", { still: true });
  await he.say({ code: await codeFor(there.base, hers.telephone) });
  await he.press("form[action='/for/code'] button");
  expect(await page.locator("aside b").first().textContent().then((text) => text.includes(hers.name)), "the page does not say for whom");
  await he.open("/book/1/desks/0");
  await surveyor.survey(page, "for-times");
  await he.press("button[name=slot]");
  await surveyor.survey(page, "for-hold");
  await he.press("form[action$='/confirm'] button");
  await surveyor.survey(page, "for-booked");
  const booking = new URL(page.url()).pathname;
  expect((await page.textContent("main")).includes(hers.name), "the booking does not say for whom");
  await he.press("form[action='/for/end'] button");
  expect((await page.locator("aside").count()) === 0, "he still books for her");
  await he.open("/bookings");
  expect((await page.textContent("main")).includes(hers.name), "it is not in his list");
  await surveyor.survey(page, "for-list");
  const she = await Person.arrive(there, { name: "the mother", telephone: hers.telephone });
  she.who = () => hers;
  await she.open(`/identify?next=${booking}`);
  await she.identify();
  expect((await she.page.textContent("main")).includes(his.name), "she is not told who made it");
  await surveyor.survey(she.page, "for-mother");
  await she.press("form[action$='/end-proxy'] button");
  expect(!(await she.page.locator("form[action$='/end-proxy']").count()), "his reach is not over");
  await he.open(booking);
  expect(!(await page.content()).includes(hers.name), "he still sees it");
  await he.context.close();
  await she.context.close();
}
