// What people are told of their data, and the button that forgets them: at the second service, where a
// place is booked without a line.
import { Person } from "./people.mjs";

export async function beForgotten(stage) {
  const there = { ...stage, ...stage.unheard };
  const { surveyor } = stage;
  const expect = (holds, what) => surveyor.expect("forget", holds, what);
  const she = await arrive(there, { name: "who leaves", telephone: "010-7000-0021" });
  const { page } = she;
  await she.open("/");
  await she.press("footer a[href='/privacy']");
  await surveyor.survey(page, "privacy");
  await she.press("main a[href='/forget']");
  expect(page.url().includes("/identify?next="), "who is to be forgotten is not asked");
  await she.identify();
  expect(page.url().endsWith("/forget"), `${page.url()} comes after who she is`);
  const booking = await bookIn(she);
  await surveyor.survey(page, "booked-looked");
  await she.open("/bookings");
  await she.press("a[href='/forget']");
  await surveyor.survey(page, "forget");
  expect(await page.locator(`a[href='${booking}/cancel']`).isVisible(), "what is ahead cannot be given back");
  await she.press("form[action='/forget'] button");
  await surveyor.survey(page, "forgotten");
  await page.reload();
  expect(new URL(page.url()).pathname === "/forget/done", `loaded again it is ${page.url()}`);
  await she.open("/bookings");
  expect(page.url().includes("/identify"), "she is still signed in");
  await she.open("/forget/done");
  await page.goBack();
  expect(!(await page.content()).includes("김하늘"), "going back shows her name");
  await she.open("/identify?next=/bookings");
  await she.identify();
  expect(await page.locator(`ul.list a[href='${booking}']`).isVisible(), "her booking is not found again");
  await she.open("/privacy");
  await surveyor.survey(page, "privacy-mine");
  await she.context.close();
  await withoutScripts(there);
}

async function withoutScripts(there) {
  const he = await arrive(there, { name: "who leaves without scripts", telephone: "010-7000-0022", scripts: false, language: "en" });
  const look = (name) => there.surveyor.look(he.page, `${name}-360-noscript`);
  await he.open("/privacy");
  await look("privacy");
  await he.press("main a[href='/forget']");
  await he.identify();
  await look("forget");
  // Another tab, which still shows the page and its button.
  const tab = await he.context.newPage();
  await tab.goto(`${he.base}/forget`);
  await he.press("form[action='/forget'] button");
  await look("forgotten");
  await Promise.all([tab.waitForNavigation(), tab.locator("form[action='/forget'] button").click()]);
  await there.surveyor.look(tab, "forgotten-before-360-noscript");
  there.surveyor.expect("forget", tab.url().includes("nobody=true"), `the second press led to ${tab.url()}`);
  await he.context.close();
}

// Of an age for whom booking is open there.
async function arrive(there, options) {
  const person = await Person.arrive(there, options);
  const who = { ...person.who(), year: "1964" };
  person.who = () => who;
  return person;
}

async function bookIn(she) {
  await she.open("/book/1/desks/0");
  await she.press("button[name=slot]");
  await she.press("form[action$='/confirm'] button");
  return new URL(she.page.url()).pathname;
}
