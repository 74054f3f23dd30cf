// A house catalogue and scripted vendors inside the client: builds for tests take both from the settings.
import { setTimeout as sleep } from "node:timers/promises";

const model = {
  id: "house/small",
  family: "small",
  tier: "economy",
  context_window: 65536,
  max_output: 4096,
  capabilities: ["tools", "json_mode", "streaming"],
  source: "made up for tests",
  date: "2026-01-01",
  prices: [{ rates: { input: "1", output: "4" } }],
};
const endpoint = {
  id: "house",
  api: "chat_completions",
  base_url: "http://localhost/v1",
  region: "us",
  auth: "bearer",
};
export const ROWS = { vendor: "house", endpoints: [endpoint], models: [model] };
export const ASK = [{ role: "user", content: "Why is the sky blue?" }];
export const TEXT = "Rayleigh scattering does it.";
// 100 tokens at 1 dollar a million and 10 at 4.
export const COST = "0.00014";

export function answer(more = {}) {
  return { reply: { parts: [{ type: "text", text: TEXT }], usage: { input: 100, output: 10 } }, ...more };
}

export function settings(rule = answer(), more = {}) {
  return {
    keys: { house: "sk-canary" },
    catalog: { only_files: true },
    rows: [ROWS],
    testing: { loopback: [{ answer: rule }] },
    ...more,
  };
}

// How often to look whether something has come to pass: for ten seconds, which are longer on a machine that is busy or stood
// still, since looks are counted and not the time.
const LOOKS = 2000;

// Waits until the account holds what it should; `between` runs before each look.
export async function accounts(client, holds, between = () => {}) {
  let total;
  for (let look = 0; look < LOOKS; look += 1) {
    await between();
    total = (await client.report()).total;
    if (holds(total)) return total;
    await sleep(5);
  }
  throw new Error(`not in time: ${JSON.stringify(total)}`);
}

// Waits until every attempt has ended.
export function balanced(client, attempts) {
  return accounts(client, (total) => total.attempts === attempts && total.held === 0);
}

// Numbers that look random and are the same in every run.
export function draws(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
