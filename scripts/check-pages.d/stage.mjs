// What a walk stands on: a demonstration with a crowd, a browser, and the operator's API.
// Whatever is started here is stopped here, by its process id.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const CROWD = 600;
const OPENS_IN_S = 70;
const STARTS_WITHIN_MS = 90_000;

// Starts `jari demo` on a free port; resolves once it has said where it is.
export async function startDemo(jari) {
  const data = mkdtempSync(join(tmpdir(), "jari-pages-"));
  const options = ["--port", "0", "--crowd", `${CROWD}`, "--opens-in", `${OPENS_IN_S}`, "--data", data];
  const child = spawn(jari, ["demo", ...options], { stdio: ["ignore", "pipe", "pipe"] });
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
    const late = setTimeout(() => reject(new Error(`the demo did not start:\n${said}`)), STARTS_WITHIN_MS);
    const hear = (chunk) => {
      said += chunk;
      if (said.includes("Ctrl-C stops")) resolve(clearTimeout(late));
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("exit", (code) => reject(new Error(`the demo ended with ${code}:\n${said}`)));
  });
  try {
    await ready;
  } catch (error) {
    await stop();
    throw error;
  }
  const base = said.match(/stand in line\s+(http:\/\/\S+?)\/\s/)[1];
  const password = said.match(/name operator, password (\S+)/)[1];
  return { base, password, stop, pid: child.pid, said: () => said };
}

export async function startBrowser() {
  const known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = process.env.CHROMIUM ?? known.find(existsSync);
  if (!executablePath) throw new Error("no Chromium: run scripts/prepare");
  // Without a sandbox, since scripts run as root in containers; the pages are our own.
  const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"];
  return chromium.launch({ executablePath, args });
}

// The operator over the API: what the walk needs between two looks at pages.
export async function operator(base, password) {
  const call = async (path, body, token) => {
    const headers = { "content-type": "application/json" };
    if (token) headers.authorization = `Bearer ${token}`;
    const answer = await fetch(base + path, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? {} : answer.json();
  };
  const session = await call("/api/v1/operator/sessions", { name: "operator", password });
  const token = session.staff_token;
  return (path, body) => call(`/api/v1/operator${path}`, body, token);
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
