// A panic in the library is an error of its kind: the process lives, the call ends, the account is balanced.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Client, TierwayError } from "../index.mjs";
import { ASK, TEXT, answer, balanced, settings } from "./fixture.mjs";

// What the panics print is for nobody.
process.env.RUST_BACKTRACE = "0";
const native = createRequire(import.meta.url)("../lib/native.cjs");
const WORDS = Array.from({ length: 50 }, (_, at) => `word${at} `);
const reply = { text: WORDS.join(""), usage: { input: 100, output: 50 } };
const broken = { name: "TierwayError", code: "internal", message: /please report it/ };
const limit = { timeout: 120_000 };
const own = JSON.stringify({ messages: [{ role: "user", parts: [{ type: "text", text: "Why?" }] }] });
const body = JSON.stringify({ messages: ASK });
const breaking = (pieces) => settings(undefined, { testing: { providers: { house: [{ panic: reply, pieces }, { answer: { text: TEXT } }] } } });

// The timers that hold the process open while calls are under way.
const held = () => process.getActiveResourcesInfo().filter((what) => what === "Timeout").length;

// A call that hangs would hold this process open for ever, behind its test.
let hangs = false;
async function inTime(work) {
  const stop = new AbortController();
  const late = sleep(30_000, undefined, { ref: false, signal: stop.signal });
  try {
    return await Promise.race([work, late.then(() => assert.fail((hangs = "it hangs")))]);
  } finally {
    stop.abort();
  }
}
after(() => hangs && setTimeout(() => process.exit(1), 200));

// Says that nothing waits any more for the call that broke, and that the client goes on.
async function goesOn(client, timers) {
  assert.equal(held(), timers);
  await balanced(client, 1);
  assert.equal((await client.chat.completions.create({ messages: ASK })).choices[0].message.content, TEXT);
  await balanced(client, 2);
}

test("a call that breaks on the library's thread is rejected", limit, async () => {
  for (const ask of ["send", "chat", "stream", "chat_stream"]) {
    const client = new Client(breaking(0));
    const stream = ask.endsWith("stream");
    const timers = held();
    const asked = ask.startsWith("chat")
      ? client.chat.completions.create({ messages: ASK, stream })
      : client[ask](JSON.parse(own));
    await assert.rejects(inTime(stream ? asked.then((pieces) => read(pieces)) : asked), broken);
    await goesOn(client, timers);
  }
});

test("a stream that breaks on JavaScript's thread ends with what had come", limit, async () => {
  // The first piece has no text, and the one after it is read before the stream is there.
  // In a look, and, once in 32 pieces, in a wait.
  for (const pieces of [2, 3, 30, 31, 32, 33, 34]) {
    const client = new Client(breaking(pieces));
    const timers = held();
    const stream = await client.chat.completions.create({ messages: ASK, stream: true });
    const told = [];
    await assert.rejects(inTime(read(stream, told)), broken);
    assert.equal(told.join(""), WORDS.slice(0, pieces - 1).join(""));
    assert.equal((await stream.next()).done, true);
    assert.equal(stream.response, undefined);
    const { cost } = await balanced(client, 1);
    assert.notEqual(cost, "0");
    await goesOn(client, timers);
  }
});

async function read(stream, told = []) {
  for await (const chunk of stream) told.push(chunk.choices?.[0].delta.content ?? chunk.text ?? "");
}

// Everything that the native half exports, called on a client of its own. `null` where nobody is told of an end.
const client = () => new native.NativeClient(JSON.stringify(settings()), () => {}, [], 0);
const opened = async () => {
  let told;
  // The native half holds no process open.
  const timer = setInterval(() => {}, 1000);
  const ended = new Promise((resolve) => (told = resolve));
  const pace = answer({ pace: { before_ms: 0, between_ms: 20, piece_chars: 3 } });
  const client = new native.NativeClient(JSON.stringify(settings(pace)), (...end) => told(end), [], 0);
  const cancel = client.start("chat_stream", 1, body);
  const [, , , stream] = await ended;
  clearInterval(timer);
  return { client, cancel, stream };
};
const EXPORTS = {
  NativeClient: {
    constructor: () => client(),
    start: ({ client }) => client.start("report", 2, "{}"),
    next: ({ client, stream }) => client.next(stream, 2),
    route: ({ client }) => client.route(own),
    routeChat: ({ client }) => client.routeChat(body),
    models: ({ client }) => client.models(),
    answer: ({ client }) => client.answer(1),
  },
  NativeCancel: { cancel: ({ cancel }) => cancel.cancel() },
  NativeStream: {
    look: ({ stream }) => stream.look(),
    response: ({ stream }) => stream.response(),
    route: ({ stream }) => stream.route(),
    close: ({ stream }) => stream.close(),
  },
};
const SILENT = ["cancel", "close"];

test("the table names all that is exported", () => {
  const { plantPanic, ...classes } = native;
  assert.equal(typeof plantPanic, "function");
  assert.deepEqual(Object.keys(classes).sort(), Object.keys(EXPORTS).sort());
  for (const [name, entries] of Object.entries(EXPORTS)) {
    const found = Object.getOwnPropertyNames(native[name].prototype);
    assert.deepEqual(found.filter((entry) => entry !== "constructor" || name === "NativeClient").sort(), Object.keys(entries).sort());
  }
});

for (const [name, entries] of Object.entries(EXPORTS)) {
  for (const [entry, call] of Object.entries(entries)) {
    test(`a panic ends in ${name}.${entry}`, limit, async () => {
      const given = await opened();
      native.plantPanic(true);
      let failure;
      try {
        call(given);
      } catch (error) {
        failure = JSON.parse(error.message);
      }
      assert.equal(native.plantPanic(false), false, "nothing met the panic: the call goes past border.rs");
      assert.equal(failure?.code, SILENT.includes(entry) ? undefined : "internal");
      given.stream.close();
    });
  }
}

test("a panic ends where an object is collected", limit, async () => {
  let given = await opened();
  given = undefined;
  native.plantPanic(true);
  for (let turn = 0; native.plantPanic(true); turn += 1) {
    assert.ok(turn < 500, "nothing was collected");
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  native.plantPanic(false);
});
