// What a walk stands on: a demonstration with a crowd, a browser, and the operator's API.
// Whatever is started here is stopped here, by its process id.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const CROWD = Number(process.env.CROWD ?? 600);
const OPENS_IN_S = 70;
const STARTS_WITHIN_MS = 90_000;

// Starts `jari demo` on a free port; resolves once it has said where it is.
export async function startDemo(jari) {
  const data = mkdtempSync(join(tmpdir(), "jari-pages-"));
  const options = ["--port", "0", "--crowd", `${CROWD}`, "--opens-in", `${OPENS_IN_S}`, "--data", data];
  const started = await start(jari, ["demo", ...options], data, "Ctrl-C stops");
  const base = started.said().match(/stand in line\s+(http:\/\/\S+?)\/\s/)[1];
  const password = started.said().match(/name operator, password (\S+)/)[1];
  return { base, password, ...started };
}

// The same of a service whose messages nobody takes: nothing listens at port 1.
export async function startUnheard(jari) {
  const data = mkdtempSync(join(tmpdir(), "jari-pages-"));
  writeFileSync(join(data, "secret"), "a secret that nobody reads");
  const webhook = `[messages.webhook]\nurl = "http://127.0.0.1:1/"\nsecret_file = "secret"\n`;
  const text = `data = "data"\nlisten = "127.0.0.1:0"\ndemo = true\nsecure_cookies = false\n${webhook}`;
  writeFileSync(join(data, "jari.toml"), text);
  const started = await start(jari, ["serve", "--config", join(data, "jari.toml")], data, "shown once");
  const base = started.said().match(/listening on (http:\/\/\S+)/)[1];
  const password = started.said().match(/operator password: (\S+)/)[1];
  return { base, password, ...started };
}

async function start(jari, options, data, last) {
  const child = spawn(jari, options, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill("SIGINT");
    const forced = setTimeout(() => child.kill("SIGKILL"), 5_000);
    await exited;
    clearTimeout(forced);
    rmSync(data, { recursive: true, force: true });
  };
  const ready = new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${options[0]} did not start:\n${said}`)), STARTS_WITHIN_MS);
    const hear = (chunk) => {
      said += chunk;
      if (said.includes(last)) resolve(clearTimeout(late));
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("exit", (code) => reject(new Error(`${options[0]} ended with ${code}:\n${said}`)));
  });
  try {
    await ready;
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop, pid: child.pid, said: () => said };
}

export async function startBrowser() {
  const known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = process.env.CHROMIUM ?? known.find(existsSync);
  if (!executablePath) throw new Error("no Chromium: run scripts/prepare");
  // Without a sandbox, since scripts run as root in containers; the pages are our own.
  const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"];
  return chromium.launch({ executablePath, args });
}

// Posts to the API.
async function post(base, path, body, token) {
  const headers = { "content-type": "application/json", "idempotency-key": randomUUID() };
  if (token) headers.authorization = `Bearer ${token}`;
  const answer = await fetch(base + path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? {} : answer.json();
}

// The operator over the API: what the walk needs between two looks at pages.
export async function operator(base, password) {
  const session = await post(base, "/api/v1/operator/sessions", { name: "operator", password });
  return (path, body) => post(base, `/api/v1/operator${path}`, body, session.staff_token);
}

// Somebody who identifies over the API, and books the first slot there is, or another; gives the code.
export async function bookFirst(base, claim, slot = 0) {
  const { token } = await post(base, "/api/v1/identities/codes", claim);
  const code = await codeFor(base, claim.telephone);
  const session = await post(base, "/api/v1/identities/sessions", { challenge: token, code });
  const { booking, code: key } = await post(base, "/api/v1/holds", { slot }, session.session_token);
  await post(base, `/api/v1/bookings/${booking}/confirm`, {}, session.session_token);
  return key;
}

export async function get(base, path) {
  const answer = await fetch(base + path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

// The newest one-time code that was sent to a Korean telephone.
export async function codeFor(base, telephone) {
  const to = telephone.replace(/\D/g, "");
  const letters = await get(base, `/api/v1/demo/outbox?to=${encodeURIComponent(to)}`);
  const code = letters.find((letter) => letter.purpose === "code")?.text.match(/\b\d{6,8}\b/)?.[0];
  if (!code) throw new Error(`no code was sent to ${telephone}: ${JSON.stringify(letters)}`);
  return code;
}
