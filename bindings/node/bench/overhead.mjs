// What a call costs in processor time, beside what people use today, in one run against one server on loopback.
//
//   npm install tierway openai
//   cargo build --release --manifest-path bench/Cargo.toml
//   node bindings/node/bench/overhead.mjs [--json] [--quick] [--peers FOLDER]
//
// The server is a process of its own, so that the time is the client's alone: all its threads, the native ones included. Of
// five rounds taken in turns the least counts. A call is 375 characters asked in OpenAI's shape, answered at once; Tierway's
// holds the decision and a ledger in memory besides. `--peers` names a folder whose node_modules holds the others.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..", "..");
const ROUNDS = 5;
const CHUNKS = 100;
const PROMPT =
  "A customer writes that the parcel with order number 48213 arrived two days late and that one of the three cups inside is " +
  "broken. She is polite, has bought from us eleven times, and asks whether we can send a new cup before her mother's birthday " +
  "on Saturday. Please write a short, friendly answer that apologises, promises a replacement by Friday and offers free delivery.";
const ASK = { messages: [{ role: "user", content: PROMPT }], max_tokens: 400 };
const MODEL = "bench-model";
const BARS = { "call tierway": 200, "chunk tierway": 20 };

function option(name, otherwise) {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : process.argv[at + 1];
}

// The least processor time of a call in microseconds, for each of `calls`, which are taken in turns, so many at a time.
async function least(count, atOnce, calls) {
  const best = calls.map(() => Infinity);
  const run = async (call, calls_) => {
    let left = calls_;
    const worker = async () => {
      while (left > 0) {
        left -= 1;
        await call();
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [at, call] of calls.entries()) {
      await run(call, Math.max(count / 10, atOnce));
      const before = process.cpuUsage();
      await run(call, count);
      const used = process.cpuUsage(before);
      best[at] = Math.min(best[at], (used.user + used.system) / count);
    }
  }
  return best;
}

function clients(url) {
  const { Client } = createRequire(import.meta.url)("../index.cjs");
  const { OpenAI } = createRequire(join(resolve(option("--peers", here)), "package.json"))("openai");
  const endpoint = { id: "bench", api: "chat_completions", base_url: url, region: "us", auth: "bearer" };
  const model = {
    id: "bench/bench-model",
    family: "bench-model",
    tier: "economy",
    context_window: 128000,
    max_output: 16000,
    capabilities: ["tools", "json_mode", "streaming"],
    source: "made up for the benchmark",
    date: "2026-01-01",
    prices: [{ rates: { input: "0.10", output: "0.40" } }],
  };
  const rows = [{ vendor: "bench", endpoints: [endpoint], models: [model] }];
  const own = new Client({ keys: { bench: "sk-bench" }, catalog: { only_files: true }, rows });
  const official = new OpenAI({ baseURL: url, apiKey: "sk-bench" });
  const bare = async () => {
    const body = JSON.stringify({ model: MODEL, ...ASK });
    const headers = { "content-type": "application/json", authorization: "Bearer sk-bench" };
    const reply = await fetch(`${url}/chat/completions`, { method: "POST", headers, body });
    return (await reply.json()).choices[0].message.content;
  };
  const read = async (opened) => {
    let length = 0;
    for await (const chunk of await opened) length += chunk.choices[0]?.delta.content?.length ?? 0;
    if (length === 0) throw new Error("the stream brought no text");
  };
  return {
    whole: {
      tierway: () => own.chat.completions.create(ASK),
      openai: () => official.chat.completions.create({ model: MODEL, ...ASK }),
      fetch: bare,
    },
    streams: {
      tierway: () => read(own.chat.completions.create({ ...ASK, stream: true })),
      openai: () => read(official.chat.completions.create({ model: MODEL, ...ASK, stream: true })),
    },
  };
}

const scale = process.argv.includes("--quick") ? 10 : 1;
const server = spawn(option("--server", join(root, "bench", "target", "release", "tierway-bench")), ["serve"], {
  stdio: ["ignore", "pipe", "inherit"],
});
const [port] = await createInterface({ input: server.stdout })[Symbol.asyncIterator]().next().then(({ value }) => [value]);
const taken = [];
try {
  const { whole, streams } = clients(`http://127.0.0.1:${port.trim()}/v1`);
  for (const [what, count, atOnce] of [["call", 2000 / scale, 1], ["call, 32 at once", 4000 / scale, 32]]) {
    const found = await least(count, atOnce, Object.values(whole));
    Object.keys(whole).forEach((name, at) => taken.push({ what, with: name, us: found[at] }));
  }
  const found = await least(100 / scale, 1, Object.values(streams));
  Object.keys(streams).forEach((name, at) => {
    const call = taken.find((row) => row.what === "call" && row.with === name).us;
    taken.push({ what: "stream of 100 chunks", with: name, us: found[at] });
    // What a stream takes beyond a whole answer, shared among its chunks.
    taken.push({ what: "chunk", with: name, us: (found[at] - call) / CHUNKS });
  });
} finally {
  server.kill();
}
if (process.argv.includes("--json")) {
  console.log(JSON.stringify(taken));
} else {
  for (const { what, with: name, us } of taken) {
    const bar = BARS[`${what} ${name}`];
    const said = bar === undefined ? "" : `   bar ${bar}: ${us <= bar ? "met" : "missed"}`;
    console.log(`${what.padEnd(24)}${name.padEnd(10)}${us.toFixed(1).padStart(10)} µs${said}`);
  }
}
process.exit(0);
