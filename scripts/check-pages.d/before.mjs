// Before the opening: the front page, who one is, a number, the countdown, another device.
import { Person } from "./people.mjs";

// Someone on an old phone takes every step, and each page is looked at from all sides.
export async function arriveOnAPhone(stage) {
  const { surveyor } = stage;
  const her = await Person.arrive(stage, { name: "her", telephone: "010-7000-0001" });
  await her.open("/");
  await surveyor.survey(her.page, "home");
  await her.press("a.b[href='/rooms/1']");
  await surveyor.survey(her.page, "room", { waiting: true });
  await her.press("a.b[href^='/identify']");
  await surveyor.survey(her.page, "identify");
  await her.say({ ...her.who(), year: "50", month: "13" });
  await her.press("form[action='/identify'] button");
  await surveyor.survey(her.page, "identify-error", { still: true });
  surveyor.expect("identify-error", (await her.page.inputValue("#telephone")) === her.telephone, "what was written is lost");
  await her.identifyAgain();
  return her;
}

Person.prototype.identifyAgain = async function () {
  const { surveyor } = this;
  await this.say(this.who());
  await this.press("form[action='/identify'] button");
  await surveyor.survey(this.page, "code");
  await this.say({ code: "000000" });
  await this.press("form[action='/identify/code'] button");
  await surveyor.survey(this.page, "code-error", { still: true });
  await this.giveCode();
  await this.press("form[action$='/join'] button");
};

// The lobby: a number, a countdown by the service's clock whatever the device says, and the
// same number on another device, after closing, and on the way back.
export async function waitForTheOpening(stage, her) {
  const { surveyor } = stage;
  const number = await her.number();
  await surveyor.survey(her.page, "lobby", { waiting: true });
  await clockOfTheService(stage, her);
  const phone = her.page;
  her.page = await her.context.newPage();
  surveyor.listen(her.page, her.name);
  await phone.close();
  await her.open("/");
  await surveyor.survey(her.page, "home-number");
  await her.press("a.b[href='/rooms/1']");
  surveyor.expect("lobby", (await her.number()) === number, "closing the page lost the number");
  await tooEarly(stage, her);
  // A second code to one telephone is sent only after a while.
  await lookAround(stage);
  const tablet = await Person.arrive(stage, { name: "her tablet", telephone: her.telephone, language: "en", width: 1280 });
  const there = await tablet.takeNumber();
  surveyor.expect("another device", there === number, `number ${there} on the tablet, ${number} on the phone`);
  await her.page.reload();
  surveyor.expect("another device", (await her.number()) === number, "the first device lost the number");
  return tablet;
}

// Whoever looks at clinics before their day is told when it is, and may look on.
async function tooEarly(stage, her) {
  const { surveyor } = stage;
  await stage.bookingFrom(Date.now() + 3 * 86_400_000, [2, 7]);
  await her.open("/book/1");
  const said = await her.page.textContent(".note.warn");
  surveyor.expect("choose-too-early", /20\d\d년 .*KST부터 예약할 수 있습니다/.test(said), `it says ${said}`);
  surveyor.expect("choose-too-early", said.includes("2, 7") && said.includes("내 끝자리는 7"), `it says ${said}`);
  await surveyor.survey(her.page, "choose-too-early");
  await stage.bookingFrom(Date.now() - 60_000, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await her.open("/rooms/1");
}

async function clockOfTheService(stage, her) {
  const { surveyor } = stage;
  for (const hours of [-5, 7]) {
    const context = await stage.browser.newContext({ storageState: await her.context.storageState() });
    await context.addInitScript((shift) => {
      const now = Date.now.bind(Date);
      Date.now = () => now() + shift;
    }, hours * 3_600_000);
    const page = await context.newPage();
    await page.goto(`${stage.base}/rooms/1`);
    const [minutes, seconds] = (await page.textContent("#clock")).match(/\d+/g).map(Number);
    const until = Number(await page.getAttribute("#clock", "data-until"));
    const off = Math.abs(minutes * 60 + seconds - (until - Date.now()) / 1_000);
    surveyor.expect("lobby", off < 3, `with a device clock ${hours} h off the countdown is ${off} s off`);
    await context.close();
  }
}

async function lookAround(stage) {
  const { surveyor } = stage;
  const guest = await Person.arrive(stage, { name: "guest", telephone: "010-7000-0009" });
  await guest.open("/rooms/1/fairness");
  await surveyor.survey(guest.page, "fairness-before");
  for (const [name, path] of [["error-address", "/nowhere"], ["error-room", "/rooms/77"]]) {
    await guest.open(path);
    await surveyor.survey(guest.page, name);
  }
  await guest.open("/bookings");
  await surveyor.survey(guest.page, "error-who");
  await guest.open("/outbox");
  await surveyor.survey(guest.page, "outbox");
  await guest.context.close();
}
