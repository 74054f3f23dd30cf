"use strict";
// Providers and checks that are written in JavaScript: questions by number, answered later.
const { classes } = require("./errors.cjs");

class Host {
  #providers;
  #checks;
  #streams = new Map();
  #running = new Map();

  constructor(providers, checks) {
    this.#providers = providers;
    this.#checks = checks;
  }

  // Answers a question: `answer(error, value)` is called once.
  async ask(about, number, text, answer) {
    const stop = new AbortController();
    this.#running.set(number, stop);
    try {
      answer(null, await this.#perform(about, text, stop.signal));
    } catch (error) {
      answer(JSON.stringify(faultOf(error)), null);
    } finally {
      this.#running.delete(number);
    }
  }

  // Nobody waits for this answer any more.
  stop(number) {
    this.#running.get(number)?.abort();
  }

  close(text) {
    const pieces = this.#streams.get(text);
    this.#streams.delete(text);
    // A generator cleans up in its own time; what it throws then concerns nobody.
    Promise.resolve(pieces?.return?.()).catch(() => {});
  }

  async #perform(about, text, signal) {
    const [what, which] = about.split(/ (.*)/s);
    if (what === "next") {
      const piece = await this.#streams.get(text)?.next();
      return !piece || piece.done ? null : JSON.stringify(piece.value);
    }
    const asked = JSON.parse(text);
    if (what === "judge") return verdict(await this.#checks[Number(which)](asked.request, asked.reply));
    if (what === "chat") return JSON.stringify(await chat(this.#providers[which], asked, signal));
    const [stream, endpoint] = which.split(/ (.*)/s);
    await this.#open(stream, this.#providers[endpoint], asked, signal);
    return null;
  }

  async #open(number, provider, call, signal) {
    const pieces = provider.stream ? await provider.stream(call, { signal }) : wholeOf(await chat(provider, call, signal));
    this.#streams.set(number, pieces[Symbol.asyncIterator]?.() ?? pieces[Symbol.iterator]());
    // Nobody waits any more, and `close` may have come before there was anything to close.
    if (signal.aborted) this.close(number);
  }
}

function chat(provider, call, signal) {
  return typeof provider === "function" ? provider(call, { signal }) : provider.chat(call, { signal });
}

// Why an answer falls short, or null.
function verdict(said) {
  if (said === false) return "the check says no";
  return said == null || said === true ? null : String(said);
}

// A whole answer as the pieces of a stream.
function wholeOf(reply) {
  if (typeof reply === "string") return [reply];
  const pieces = [];
  if (typeof reply.text === "string") pieces.push({ type: "text", part: 0, text: reply.text });
  (reply.parts ?? []).forEach((whole, part) => pieces.push({ type: "part", part, whole }));
  if (reply.usage) pieces.push({ type: "usage", usage: reply.usage });
  if (reply.stop) pieces.push({ type: "stop", reason: reply.stop });
  return pieces;
}

// What an unknown error says may quote the prompt: only its class is told.
function faultOf(error) {
  if (error instanceof classes.ProviderFault) return error.facts;
  if (error?.name === "AbortError") return { kind: "cancelled", message: "the call was given up", retry: "never" };
  return { message: `the provider threw ${error?.name ?? typeof error}` };
}

module.exports = { Host };
