// What a person takes home from a booking: its code as a picture, read as a scanner would, and
// its calendar file, read by a calendar's own parser.
import ICAL from "ical.js";
import { createRequire } from "node:module";

const jsQR = createRequire(import.meta.url)("jsqr");

// What a scanner reads off the page as it is shown.
export async function scan(page) {
  const shot = await page.locator("svg.qr").screenshot();
  const { data, width, height } = await page.evaluate(async (url) => {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: image.width, height: image.height });
    const drawn = canvas.getContext("2d");
    drawn.drawImage(image, 0, 0);
    return { data: [...drawn.getImageData(0, 0, image.width, image.height).data], width: image.width, height: image.height };
  }, `data:image/png;base64,${shot.toString("base64")}`);
  // No second try with the colours turned round: not every scanner makes one.
  return jsQR(Uint8ClampedArray.from(data), width, height, { inversionAttempts: "dontInvert" })?.data;
}

// The calendar file behind the page's link, as an event, and as it came.
export async function calendarOf(page) {
  const href = await page.getAttribute("a[href$='/calendar.ics']", "href");
  const answer = await page.request.get(new URL(href, page.url()).href);
  const text = await answer.text();
  const calendar = new ICAL.Component(ICAL.parse(text));
  const event = new ICAL.Event(calendar.getFirstSubcomponent("vevent"));
  return { event, status: event.component.getFirstPropertyValue("status"), type: answer.headers()["content-type"], text, href };
}

// What is shown of a booking is what is read off it.
export async function checkProofs(surveyor, page, base) {
  const code = await page.textContent(".key");
  const address = `${base}/bookings/${code}`;
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    // The demonstration is plain HTTP on a loopback address; the picture names what a browser sent.
    const read = await scan(page);
    surveyor.expect("qr", read === address, `${colorScheme}: a scanner reads ${read}, not ${address}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  const { event, status, type, text } = await calendarOf(page);
  const shown = await page.getAttribute("dd time", "datetime");
  surveyor.expect("calendar", type === "text/calendar; charset=utf-8", `it is ${type}`);
  surveyor.expect("calendar", event.startDate.toJSDate().getTime() === Date.parse(shown), `${event.startDate} is not ${shown}`);
  surveyor.expect("calendar", event.duration.toSeconds() === 1_800, `it lasts ${event.duration}`);
  surveyor.expect("calendar", status === "CONFIRMED", `it is ${status}`);
  const page_text = await page.textContent("main");
  const place = event.location.split(", ")[0];
  surveyor.expect("calendar", place.length > 1 && page_text.includes(place), `the page does not say ${place}`);
  surveyor.expect("calendar", event.description.includes(code), "the code is not in it");
  surveyor.expect("calendar", !/김하늘|7000-?0001/.test(text), "it says who comes");
  return event;
}

// A booking that was cancelled is the same entry, struck out.
export async function checkStruckOut(surveyor, page, booked) {
  const { event, status } = await calendarOf(page);
  surveyor.expect("calendar", event.uid === booked.uid, `${booked.uid} has become ${event.uid}`);
  surveyor.expect("calendar", event.sequence > booked.sequence, `sequence ${event.sequence} after ${booked.sequence}`);
  surveyor.expect("calendar", status === "CANCELLED", `it is ${status}`);
}
