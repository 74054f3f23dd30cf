// The client as a user of OpenAI's would use it, against scripted vendors inside the client.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { Worker } from "node:worker_threads";

import * as esm from "../index.mjs";
import { ASK, COST, ROWS, TEXT, answer, balanced, settings } from "./fixture.mjs";

const { Client, ProviderFault, TierwayError } = esm;
const cjs = createRequire(import.meta.url)("../index.cjs");
const own = (providers, more = {}) => ({ ...settings(), testing: {}, providers, ...more });

test("require and import give the same classes", () => {
  for (const [name, value] of Object.entries(cjs)) assert.equal(esm[name], value, name);
  assert.equal(Object.keys(cjs).length, Object.keys(esm).length - 1);
});

test("a reply costs what the prices say", async () => {
  const client = new Client(settings());
  const reply = await client.chat.completions.create({ model: "auto", messages: ASK, max_tokens: 50 });
  assert.equal(reply.choices[0].message.content, TEXT);
  assert.equal(reply.tierway.cost, COST);
  assert.equal((await client.report({ by: ["model"] })).groups[0].cost, COST);
  assert.equal((await client.attempts()).length, 1);
  assert.equal(client.models()[0].callable, true);
  await client.close();
});

test("chunks add up, as an iterable and as a web stream", async () => {
  const client = new Client(settings());
  const stream = await client.chat.completions.create({ messages: ASK, stream: true });
  assert.equal(stream.route.endpoint, "house");
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0].delta.content ?? "";
  assert.equal(text, TEXT);
  assert.equal(stream.response.tierway.cost, COST);
  const again = await client.chat.completions.create({ messages: ASK, stream: true });
  text = "";
  for await (const chunk of again.toReadableStream()) text += chunk.choices[0].delta.content ?? "";
  assert.equal(text, TEXT);
  await balanced(client, 2);
});

test("readers that ask at once have a piece each, and the rest are told that it is done", async () => {
  const client = new Client(settings(answer({ pace: { before_ms: 2, between_ms: 2, piece_chars: 3 } })));
  const stream = await client.chat.completions.create({ messages: ASK, stream: true });
  const asked = await Promise.all(Array.from({ length: 40 }, () => stream.next()));
  const pieces = asked.filter(({ done }) => !done);
  assert.ok(pieces.length > 5 && pieces.length < 40);
  assert.deepEqual(asked.slice(pieces.length).map(({ done }) => done), Array(40 - pieces.length).fill(true));
  assert.equal(pieces.map(({ value }) => value.choices[0].delta.content ?? "").join(""), TEXT);
  await balanced(client, 1);
});

test("a stream that is waited for is closed, and given up with the signal's reason", async () => {
  // Two of its events, of some 190 bytes each, and no more until the idle limit of a minute.
  const quiet = answer({ pace: { piece_chars: 3 }, fault: { kind: "stall", after_bytes: 480 } });
  for (const giveUp of ["close", "abort"]) {
    const client = new Client(settings(quiet));
    const stop = new AbortController();
    const stream = await client.chat.completions.create({ messages: ASK, stream: true }, { signal: stop.signal });
    // Who answers, and its first words.
    await stream.next();
    await stream.next();
    const waiting = [stream.next(), stream.next()];
    await sleep(20);
    if (giveUp === "close") {
      stream.close();
      for (const next of waiting) assert.equal((await next).done, true);
    } else {
      stop.abort(new RangeError("enough"));
      for (const next of waiting) await assert.rejects(next, new RangeError("enough"));
    }
    await balanced(client, 1);
  }
});

test("marks are taken once and are learnt", async () => {
  const client = new Client(settings());
  const reply = await client.chat.completions.create({ messages: ASK });
  await client.feedback(reply, 1);
  await assert.rejects(client.feedback(reply, 0), { code: "unknown_answer", field: "id" });
  const stream = await client.chat.completions.create({ messages: ASK, stream: true });
  for await (const _ of stream);
  await client.feedback(stream, 0.5);
  const own = await client.send({ messages: [{ role: "user", parts: [{ type: "text", text: "Why?" }] }] });
  for (const mark of [-0.1, 1.1, Number.NaN]) await assert.rejects(client.feedback(own, mark), esm.InvalidRequestError);
  await client.feedback(own.id, 0.25);
  const learnt = await client.experience();
  assert.deepEqual(Object.keys(learnt.overall), ["house/small"]);
  await client.setExperience(null);
  assert.deepEqual((await client.experience()).overall, {});
  await client.setExperience(learnt);
  // A number that is read and written again may move its last digit.
  assert.equal((await client.experience()).overall["house/small"].marks, learnt.overall["house/small"].marks);
  await assert.rejects(client.feedback({ choices: [] }, 1), TypeError);
});

test("a web stream that is cancelled cancels the call", async () => {
  const client = new Client(settings(answer({ pace: { between_ms: 100, piece_chars: 4 } })));
  const reader = (await client.chat.completions.create({ messages: ASK, stream: true })).toReadableStream().getReader();
  await reader.read();
  await reader.cancel();
  await balanced(client, 1);
});

test("many calls at once", async () => {
  const client = new Client(settings());
  const asked = Array.from({ length: 100 }, () => client.chat.completions.create({ messages: ASK }));
  assert.deepEqual(new Set((await Promise.all(asked)).map((reply) => reply.tierway.cost)), new Set([COST]));
  await balanced(client, 100);
});

test("errors are classes with facts and hold no key", async () => {
  const client = new Client(settings(answer({ fault: { kind: "status", status: 401 } })));
  const caught = await client.chat.completions.create({ messages: ASK }).catch((error) => error);
  assert.ok(caught instanceof esm.AuthenticationError && caught instanceof esm.ProviderError);
  assert.deepEqual([caught.name, caught.code, caught.status, caught.provider], ["AuthenticationError", "auth", 401, "house"]);
  assert.doesNotMatch(JSON.stringify(caught) + caught.stack, /canary|sky/);
  await assert.rejects(client.chat.completions.create({ messages: [] }), esm.InvalidRequestError);
  assert.throws(() => client.route({ model: "house/other", messages: ASK }), esm.RefusedError);
  assert.throws(() => new Client({ keys: { nobody: "sk-canary" } }), (error) => {
    return error instanceof esm.ConfigError && error.field === "keys.nobody" && !error.message.includes("canary");
  });
});

test("route decides without a call", async () => {
  const client = new Client(settings());
  assert.equal(client.route({ messages: ASK }).candidates[0].model, "house/small");
  assert.equal(client.explain({ messages: [{ role: "user", parts: [{ type: "text", text: "x" }] }] }).candidates.length, 1);
  assert.equal((await client.report()).total.attempts, 0);
});

test("a signal cancels a call with its own reason, before and within", async () => {
  const client = new Client(settings(answer({ fault: { kind: "no_head" } })));
  await assert.rejects(client.chat.completions.create({ messages: ASK }, { signal: AbortSignal.abort() }), { name: "AbortError" });
  const stop = new AbortController();
  const asked = client.chat.completions.create({ messages: ASK }, { signal: stop.signal });
  while ((await client.report()).total.held === 0) await sleep(1);
  stop.abort(new RangeError("enough"));
  await assert.rejects(asked, new RangeError("enough"));
  await balanced(client, 1);
});

test("a provider written in JavaScript answers, whole and streamed", async () => {
  const usage = { input: 100, output: 10 };
  const calls = [];
  const provider = {
    async chat(call, { signal }) {
      calls.push([call.model, call.endpoint, signal instanceof AbortSignal]);
      return { text: TEXT, usage };
    },
    async *stream() {
      yield "Rayleigh ";
      yield { type: "text", part: 0, text: "scattering does it." };
      yield { type: "usage", usage };
    },
  };
  const client = new Client(own({ house: provider }));
  assert.equal((await client.chat.completions.create({ messages: ASK })).tierway.cost, COST);
  assert.deepEqual(calls, [["small", "house", true]]);
  const stream = await client.chat.completions.create({ messages: ASK, stream: true });
  const chunks = await Array.fromAsync?.(stream) ?? (await collect(stream));
  assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), TEXT);
  assert.equal(stream.response.tierway.cost, COST);
  // A function is a provider too, and one that cannot stream brings its answer in one piece.
  const short = new Client(own({ house: () => ({ text: TEXT, usage }) }));
  const whole = await short.chat.completions.create({ messages: ASK, stream: true });
  assert.equal((await collect(whole)).map((chunk) => chunk.choices[0].delta.content ?? "").join(""), TEXT);
  assert.throws(() => new Client(own({ house: {} })), TypeError);
});

async function collect(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}

test("what a provider throws becomes a typed error that quotes nothing", async () => {
  const fail = (thrown) => new Client(own({ house: () => Promise.reject(thrown) }, { retry: { attempts_max: 1 } }));
  const ask = (client) => client.chat.completions.create({ messages: ASK }).catch((error) => error);
  const limited = await ask(fail(new ProviderFault("slow", { kind: "rate_limited", status: 429, retryAfter: 7 })));
  assert.ok(limited instanceof esm.RateLimitError);
  assert.deepEqual([limited.status, limited.retryAfter], [429, 7]);
  const unknown = await ask(fail(new RangeError("the sky is a canary")));
  assert.ok(unknown instanceof TierwayError);
  assert.match(unknown.message, /RangeError/);
  assert.doesNotMatch(unknown.message, /canary/);
});

test("a provider is told when nobody waits any more, and its stream is closed", async () => {
  let told, closed;
  const stopped = new Promise((resolve) => (told = resolve));
  const ended = new Promise((resolve) => (closed = resolve));
  const provider = {
    chat: (_, { signal }) => new Promise(() => signal.addEventListener("abort", told)),
    async *stream() {
      try {
        for (;;) {
          yield "more ";
          await sleep(5);
        }
      } finally {
        closed();
      }
    },
  };
  const client = new Client(own({ house: provider }));
  const stop = new AbortController();
  const asked = client.chat.completions.create({ messages: ASK }, { signal: stop.signal });
  while ((await client.report()).total.held === 0) await sleep(1);
  stop.abort();
  await assert.rejects(asked, { name: "AbortError" });
  await stopped;
  for await (const chunk of await client.chat.completions.create({ messages: ASK, stream: true })) {
    if (chunk.choices[0].delta.content) break;
  }
  await ended;
  await balanced(client, 2);
});

test("a stream that is opened too late is closed", async () => {
  let closed, open;
  const ended = new Promise((resolve) => (closed = resolve));
  const givenUp = new Promise((resolve) => (open = resolve));
  const provider = {
    chat: () => TEXT,
    async stream() {
      await givenUp;
      return { [Symbol.iterator]: () => ({ next: () => ({ done: true }), return: closed }) };
    },
  };
  const client = new Client(own({ house: provider }, { timeouts: { first_byte_ms: 50 }, retry: { attempts_max: 1 } }));
  await assert.rejects(client.chat.completions.create({ messages: ASK, stream: true }));
  open();
  await ended;
  await balanced(client, 1);
});

test("a check written in JavaScript sends the request to a better model", async () => {
  const strong = { ...ROWS.models[0], id: "house/strong", family: "strong", tier: "frontier", prices: [{ rates: { input: "10", output: "40" } }] };
  const rows = [{ ...ROWS, models: [...ROWS.models, strong] }];
  const provider = (call) => ({ text: call.model === "strong" ? "right" : "wrong", usage: { input: 10, output: 1 } });
  const judged = [];
  const check = async (request, reply) => {
    judged.push([request.messages.length, reply.parts[0].text]);
    return reply.parts[0].text === "right" ? null : "it is wrong";
  };
  const router = { quality: 0.01, models: ["house/small", "house/strong"] };
  const client = new Client(own({ house: provider }, { rows, router, checks: [check] }));
  const reply = await client.chat.completions.create({ messages: ASK });
  assert.equal(reply.choices[0].message.content, "right");
  assert.deepEqual(reply.tierway.route.attempts.map((attempt) => attempt.outcome), ["fell_short", "answered"]);
  assert.deepEqual(judged[0], [1, "wrong"]);
});

test("workers each have a client", async () => {
  const source = `
    const { workerData, parentPort } = require("node:worker_threads");
    const { Client } = require(workerData.index);
    const client = new Client(workerData.settings);
    client.chat.completions.create({ messages: workerData.ask }).then((reply) => parentPort.postMessage(reply.tierway.cost));
  `;
  const index = createRequire(import.meta.url).resolve("../index.cjs");
  const work = () =>
    new Promise((resolve, reject) => {
      const worker = new Worker(source, { eval: true, workerData: { index, settings: settings(), ask: ASK } });
      worker.once("error", reject);
      let cost;
      worker.on("message", (value) => (cost = value));
      worker.once("exit", () => resolve(cost));
    });
  assert.deepEqual(await Promise.all(Array.from({ length: 4 }, work)), [COST, COST, COST, COST]);
});
