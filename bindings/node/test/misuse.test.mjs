// Two hundred ways to leave in the midst of it: each ends in an error or cleanly, and the account is balanced. Where one
// leaves is drawn from a seed, which is in the test's name.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";

import { Client, TierwayError } from "../index.mjs";
import { ASK, accounts, answer, balanced, draws, settings } from "./fixture.mjs";

const index = createRequire(import.meta.url).resolve("../index.cjs");
const folder = mkdtempSync(join(tmpdir(), "tierway-misuse-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const SLOW = answer({ pace: { before_ms: 4, between_ms: 6, piece_chars: 3 } });
const limit = { timeout: 120_000 };
// How long is given to what takes a few milliseconds; what hangs here does so for a minute at least.
const PATIENCE_MS = 30_000;

// An error that a caller may see here: one of ours, or that of the signal.
function isTyped(error) {
  assert.ok(error instanceof TierwayError || error.name === "AbortError", String(error?.stack));
}

async function quick(work) {
  const start = performance.now();
  const value = await work;
  assert.ok(performance.now() - start < PATIENCE_MS, `it took ${performance.now() - start} ms`);
  return value;
}

for (let seed = 0; seed < 60; seed += 1) {
  test(`abort at a random point, seed ${seed}`, limit, async () => {
    const draw = draws(seed);
    const client = new Client(settings(SLOW));
    const stop = new AbortController();
    const stream = draw(3) > 0;
    const work = (async () => {
      const made = await client.chat.completions.create({ messages: ASK, stream }, { signal: stop.signal });
      if (stream) for await (const _ of made);
    })();
    const ended = work.catch(isTyped);
    await sleep(draw(80));
    stop.abort();
    await quick(ended);
    // It may have been over before it began.
    const { total } = await client.report();
    await balanced(client, total.attempts);
    assert.ok(total.attempts <= 1);
  });
}

for (let seed = 0; seed < 40; seed += 1) {
  test(`a stream that is collected half-way, seed ${seed}`, limit, async () => {
    const draw = draws(seed + 1000);
    const client = new Client(settings(SLOW));
    await (async () => {
      const stream = await client.chat.completions.create({ messages: ASK, stream: true });
      for (let pieces = draw(5); pieces > 0; pieces -= 1) await stream.next();
    })();
    const collect = async () => {
      globalThis.gc();
      await sleep(1);
    };
    await accounts(client, (total) => total.held === 0 && total.attempts === 1, collect);
  });
}

for (let seed = 0; seed < 40; seed += 1) {
  test(`a loop that is left early, a stream closed under its reader, seed ${seed}`, limit, async () => {
    const draw = draws(seed + 2000);
    const client = new Client(settings(SLOW));
    const stream = await client.chat.completions.create({ messages: ASK, stream: true });
    if (draw(2) === 0) {
      let left = draw(6);
      for await (const _ of stream) if (left-- <= 0) break;
    } else {
      const read = (async () => {
        for await (const _ of stream);
      })();
      await sleep(draw(60));
      stream.close();
      await quick(read.catch(isTyped));
    }
    assert.deepEqual(await stream.next(), { done: true, value: undefined });
    await balanced(client, 1);
  });
}

// Opens streams and calls, says so, and goes on reading.
const BUSY = `
  const { Client } = require(given.index);
  const client = new Client(given.settings);
  (async () => {
    const stream = await client.chat.completions.create({ messages: given.ask, stream: true });
    await stream.next();
    client.chat.completions.create({ messages: given.ask }).catch(() => {});
    ready();
    for await (const _ of stream);
  })();
`;

const onFile = (name) => settings(SLOW, { ledger: { path: join(folder, `${name}.db`) } });

// What the file says once nobody writes to it: every attempt is there, and is settled or held, never lost.
async function accounted(name, attempts) {
  const client = new Client({ ...onFile(name) });
  const total = await accounts(client, (total) => total.attempts >= attempts);
  await client.close();
  return total;
}

for (let seed = 0; seed < 30; seed += 1) {
  test(`a worker is terminated in the midst of a stream, seed ${seed}`, limit, async () => {
    const source = `const { workerData: given, parentPort } = require("node:worker_threads"); const ready = () => parentPort.postMessage("ready"); ${BUSY}`;
    const name = `worker-${seed}`;
    const workerData = { index, settings: onFile(name), ask: ASK };
    const worker = new Worker(source, { eval: true, workerData });
    await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    await sleep(draws(seed + 3000)(40));
    await quick(worker.terminate());
    await accounted(name, 1);
  });
}

for (let seed = 0; seed < 30; seed += 1) {
  test(`the process ends in the midst of a stream, seed ${seed}`, limit, async () => {
    const draw = draws(seed + 4000);
    const how = ["process.exit(7)", "throw new Error('left')", "process.kill(process.pid, 'SIGTERM')"][draw(3)];
    const name = `exit-${seed}`;
    const given = JSON.stringify({ index, settings: onFile(name), ask: ASK });
    const source = `const given = ${given}; const ready = () => setTimeout(() => { console.log("leaving"); ${how} }, ${draw(40)}); ${BUSY}`;
    const child = spawn(process.execPath, ["-e", source], { stdio: ["ignore", "pipe", "ignore"] });
    const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve([code, signal])));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const [code, signal] = await quick(ended);
    // By the way it chose, and not by a crash of ours.
    assert.ok(code === 7 || code === 1 || signal === "SIGTERM", `${code} ${signal}`);
    await accounted(name, 1);
  });
}
