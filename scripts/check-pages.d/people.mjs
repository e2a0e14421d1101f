// People in front of a browser: what they press, with a finger, without scripts, or with the
// keyboard alone.
import { codeFor } from "./stage.mjs";

const PRESSES_MAX = 80;

export class Person {
  // `telephone` names the person; the same one on two devices is the same person.
  constructor(stage, options) {
    Object.assign(this, { language: "ko", width: 360, scripts: true, ...stage, ...options });
  }

  static async arrive(stage, options) {
    const person = new Person(stage, options);
    person.context = await person.browser.newContext({
      javaScriptEnabled: person.scripts,
      locale: person.language === "ko" ? "ko-KR" : "en-GB",
      viewport: { width: person.width, height: person.width < 600 ? 740 : 800 },
      isMobile: false,
    });
    person.context.setDefaultTimeout(20_000);
    person.page = await person.context.newPage();
    person.surveyor.listen(person.page, person.name);
    return person;
  }

  open(path) {
    return this.page.goto(this.base + path);
  }

  // Presses what leads on, by where it leads to, and waits for the page that comes.
  async press(selector) {
    await Promise.all([this.page.waitForNavigation(), this.page.locator(selector).first().click()]);
  }

  async say(fields) {
    for (const [id, text] of Object.entries(fields)) await this.page.fill(`#${id}`, text);
  }

  who() {
    return { name: "김하늘", year: "1950", month: "3", day: "7", telephone: this.telephone };
  }

  // From the page that asks who they are to wherever it leads. Codes to one telephone have to
  // be twenty seconds apart; what was written is kept meanwhile.
  async identify() {
    await this.say(this.who());
    for (let at = 0; at < 25 && !this.page.url().includes("/identify/code"); at++) {
      if (at > 0) await this.page.waitForTimeout(1_000);
      await this.press("form[action='/identify'] button");
    }
    await this.giveCode();
  }

  async giveCode() {
    await this.say({ code: await codeFor(this.base, this.telephone) });
    await this.press("form[action='/identify/code'] button");
  }

  // Says who they are and takes a number; returns the number.
  async takeNumber() {
    await this.open("/identify?next=/rooms/1");
    await this.identify();
    await this.press("form[action$='/join'] button");
    return this.number();
  }

  async number() {
    const serial = await this.page.getAttribute("main", "data-serial");
    return Number(serial) + 1;
  }

  async place() {
    const place = await this.page.getAttribute("main", "data-place");
    return place === null ? null : Number(place);
  }

  // Waits for a part of the waiting page, loading it again as a person would.
  async reloadUntil(selector, tries = 40) {
    for (let at = 0; at < tries; at++) {
      if (await this.page.locator(selector).isVisible()) return;
      await this.page.waitForTimeout(1_000);
      await this.page.reload();
    }
    throw new Error(`${this.name}: ${selector} never came`);
  }

  // --- by keyboard alone ---

  // Tabs to what matches; says whether the focus can be seen there.
  async tabTo(selector) {
    for (let at = 0; at < PRESSES_MAX; at++) {
      await this.page.keyboard.press("Tab");
      const found = await this.page.evaluate((wanted) => {
        const e = document.activeElement;
        if (!e?.matches(wanted)) return null;
        const style = getComputedStyle(e);
        return { seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
      }, selector);
      if (!found) continue;
      this.surveyor.expect(this.name, found.seen, `the focus on ${selector} cannot be seen`);
      return;
    }
    throw new Error(`${this.name}: ${selector} cannot be reached by keyboard on ${this.page.url()}`);
  }

  async enter(selector) {
    await this.tabTo(selector);
    await Promise.all([this.page.waitForNavigation(), this.page.keyboard.press("Enter")]);
  }

  async type(fields) {
    for (const [id, text] of Object.entries(fields)) {
      await this.tabTo(`#${id}`);
      await this.page.keyboard.type(text);
    }
  }
}
