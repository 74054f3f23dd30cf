"use strict";
// The client, in OpenAI's shape and in Tierway's own.
const { NativeClient } = require("./native.cjs");
const { Calls } = require("./calls.cjs");
const { Host } = require("./host.cjs");
const { Stream } = require("./stream.cjs");
const { native } = require("./errors.cjs");

class Client {
  #native;
  #calls = new Calls();

  constructor(options = {}) {
    const { config, keys, environment, providers = {}, checks = [], ...settings } = options;
    const whole = { ...settings, environment: environment ?? keys === undefined };
    if (config !== undefined) whole.file = String(config);
    // The tierway.toml of this folder, if there is one.
    else if (keys === undefined) whole.file ??= "";
    if (keys !== undefined) whole.keys = keys;
    for (const [name, provider] of Object.entries(providers)) {
      if (typeof (provider?.chat ?? provider) !== "function") {
        throw new TypeError(`providers.${name}: a provider is a function, or has a method chat`);
      }
    }
    const host = new Host(providers, checks);
    const calls = this.#calls;
    // The native half must not keep this client alive by what it calls: the answer goes by a weak reference.
    let weakly;
    const events = (about, number, error, value) => {
      if (about === "end") return calls.end(number, error, value);
      if (about === "stop") return host.stop(number);
      if (about === "close") return host.close(value);
      host.ask(about, number, value, (...said) => native(() => weakly?.deref()?.answer(number, ...said)));
    };
    this.#native = native(() => new NativeClient(JSON.stringify(whole), events, Object.keys(providers), checks.length));
    weakly = new WeakRef(this.#native);
    this.chat = { completions: { create: (body, options) => this.#create(body, options) } };
  }

  async #create(body, { signal } = {}) {
    const { stream, ...asked } = body;
    return stream ? this.#open("chat_stream", asked, signal) : JSON.parse(await this.#start("chat", asked, signal));
  }

  // Asks for a whole answer to a request of Tierway's own form.
  async send(request, { signal } = {}) {
    return JSON.parse(await this.#start("send", request, signal));
  }

  // Asks for an answer piece by piece: deltas, and at the end `stream.response`.
  stream(request, { signal } = {}) {
    return this.#open("stream", request, signal);
  }

  // Decides who would answer, without a call: the whole explanation. Takes what `chat.completions.create` takes, or a
  // request of Tierway's own form, whose messages have parts.
  route(asked) {
    const isOwn = asked?.messages?.some?.((message) => Array.isArray(message?.parts)) || typeof asked?.model === "object";
    const text = JSON.stringify(asked);
    return JSON.parse(native(() => (isOwn ? this.#native.route(text) : this.#native.routeChat(text))));
  }

  explain(asked) {
    return this.route(asked);
  }

  // The models on sale.
  models() {
    return JSON.parse(native(() => this.#native.models()));
  }

  // What was spent, in all and by `model`, `vendor`, `endpoint`, `tier`, `day`, `tag:NAME` ...
  async report({ by = [], sinceMs, untilMs } = {}) {
    return JSON.parse(await this.#start("report", { by, since_ms: sinceMs, until_ms: untilMs }));
  }

  // The ledger's attempts, oldest first.
  async attempts({ after = 0, limit = 1000 } = {}) {
    return JSON.parse(await this.#start("attempts", { after, limit }));
  }

  // Marks an answer from 0, useless, to 1, right, once: later decisions go by what was learnt. `answer` is what a call
  // brought, in either shape, a stream that was read, or the id of an answer.
  async feedback(answer, mark) {
    const whole = answer?.response ?? answer;
    const id = typeof whole === "string" ? whole : (whole?.tierway?.id ?? whole?.id);
    if (typeof id !== "string") throw new TypeError("mark an answer, a stream that was read to its end, or the id of an answer");
    await this.#start("feedback", { id, mark });
  }

  // What was learnt from marks: counts by kind of work and model, and no text.
  async experience() {
    return JSON.parse(await this.#start("experience", null));
  }

  // Puts another experience in place of what was learnt, for all who share the ledger; null forgets.
  async setExperience(experience) {
    await this.#start("set_experience", experience);
  }

  // Writes what is queued to the ledger and closes it.
  async close() {
    await this.#start("close", null);
  }

  #start(kind, asked, signal) {
    const text = JSON.stringify(asked);
    return this.#calls.start((number) => native(() => this.#native.start(kind, number, text)), this.#native, signal);
  }

  async #open(kind, asked, signal) {
    return new Stream(this.#native, this.#calls, await this.#start(kind, asked, signal), signal);
  }
}

// Runtimes before Node 20 have no such symbol.
if (Symbol.asyncDispose) Client.prototype[Symbol.asyncDispose] = Client.prototype.close;

module.exports = { Client };
