// The shared cases, through the public client. tests/cases/README.md says what a case holds.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Client, TierwayError } from "../index.mjs";
import { mismatch } from "./matching.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const folder = join(root, "tests", "cases");
const lines = [];

// A failure as the cases' README writes it, from what the error shows.
function facts(error) {
  if (!(error instanceof TierwayError)) throw error;
  return {
    code: error.code,
    message: error.message,
    status: error.status ?? null,
    retry_after_ms: error.retryAfter ?? null,
    provider: error.provider ?? null,
    vendor_code: error.vendorCode ?? null,
    request_id: error.requestId ?? null,
    field: error.field ?? null,
    attempts: error.attempts,
    refused: error.refused ?? null,
    partial: error.partial ?? null,
  };
}

const said = (piece) => (piece.type === "text" ? piece.text : (piece.choices?.[0]?.delta.content ?? ""));

async function drain(stream) {
  const pieces = [];
  let error = null;
  try {
    for await (const piece of stream) pieces.push(piece);
  } catch (failure) {
    error = facts(failure);
  }
  return { pieces, text: pieces.map(said).join(""), response: stream.response ?? null, error };
}

async function perform(client, { ask, body }) {
  try {
    if (ask === "send") return { value: await client.send(body) };
    if (ask === "stream") return await drain(await client.stream(body));
    if (ask === "route" || ask === "route_chat") return { value: client.route(body) };
    const { stream: _, ...asked } = body;
    if (ask === "chat") return { value: await client.chat.completions.create(asked) };
    return await drain(await client.chat.completions.create({ ...asked, stream: true }));
  } catch (failure) {
    return { error: facts(failure) };
  }
}

async function report(client, query) {
  try {
    return { value: await client.report(query) };
  } catch (failure) {
    return { error: facts(failure) };
  }
}

async function run(base, one) {
  const faults = [];
  const expect = (place, want, found) => {
    const fault = mismatch(want, found);
    if (fault) faults.push(`${place}: ${fault}`);
  };
  let client;
  try {
    client = new Client({ ...base, ...one.settings });
  } catch (failure) {
    const found = { error: facts(failure) };
    expect("open", one.open ?? "no failure", found);
    return [{ open: found }, faults];
  }
  expect("open", one.open ?? null, null);
  const out = { calls: [] };
  for (const [at, call] of one.calls.entries()) {
    const outcome = await perform(client, call);
    expect(`call ${at}`, call.expect, outcome);
    out.calls.push(outcome);
  }
  if (one.report) {
    out.report = await report(client, one.report.query);
    expect("report", one.report.expect, out.report.value ?? out.report);
  }
  expect("balance", { value: { total: { held: 0 } } }, await report(client, {}));
  await client.close();
  return [out, faults];
}

for (const name of readdirSync(folder).filter((name) => name.endsWith(".json")).sort()) {
  const file = JSON.parse(readFileSync(join(folder, name), "utf8"));
  for (const one of file.cases) {
    const title = `${name.slice(0, -5)}: ${one.name}`;
    test(title, async () => {
      const [outcome, faults] = await run(file.settings, one);
      lines.push(JSON.stringify({ case: title, outcome }));
      assert.deepEqual(faults, []);
    });
  }
}

after(() => {
  mkdirSync(join(root, "target", "cases"), { recursive: true });
  writeFileSync(join(root, "target", "cases", "node.jsonl"), `${lines.join("\n")}\n`);
});
