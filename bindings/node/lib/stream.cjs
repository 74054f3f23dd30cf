"use strict";
// An answer piece by piece: an async iterable, and a web stream where one is wanted.
const { native } = require("./errors.cjs");

// Pieces that are there already and given out before timers and sockets have their turn.
const AT_ONCE_MAX = 32;

class Stream {
  #client;
  #calls;
  #stream;
  #signal;
  #aborted;
  #atOnce = 0;
  #asked;

  constructor(client, calls, stream, signal) {
    this.#client = client;
    this.#calls = calls;
    this.#stream = stream;
    this.#signal = signal;
    if (signal) {
      // Weakly: a signal that outlives the stream must not keep it.
      const held = new WeakRef(stream);
      this.#aborted = () => held.deref()?.close();
      signal.addEventListener("abort", this.#aborted, { once: true });
    }
  }

  // The next piece; `done` after the last one and after `close`. Those who ask at once are answered one after the other.
  async next() {
    while (this.#asked) await this.#asked;
    let text;
    try {
      this.#signal?.throwIfAborted();
      text = this.#look();
      if (text === false) text = await this.#wait();
    } catch (error) {
      this.close();
      throw error;
    }
    if (text == null) {
      this.#forget();
      this.#signal?.throwIfAborted();
      return { done: true, value: undefined };
    }
    return { done: false, value: JSON.parse(text) };
  }

  // The next piece where it is there already, else false.
  #look() {
    this.#atOnce += 1;
    return this.#atOnce % AT_ONCE_MAX === 0 ? false : native(() => this.#stream.look());
  }

  // Waits until there is a next piece. Whoever comes meanwhile waits for the end of this.
  async #wait() {
    let answered;
    this.#asked = new Promise((resolve) => (answered = resolve));
    try {
      // Timers and sockets have their turn, whether or not the piece is there.
      if (this.#atOnce % AT_ONCE_MAX === 0) await new Promise(setImmediate);
      for (;;) {
        let text;
        await this.#calls.wait((number) => {
          text = native(() => this.#client.next(this.#stream, number));
          return text === false;
        }, this);
        if (text !== false) return text;
      }
    } finally {
      this.#asked = undefined;
      answered();
    }
  }

  // Leaving a loop early ends the stream.
  async return(value) {
    this.close();
    return { done: true, value };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  // Who answers.
  get route() {
    return JSON.parse(native(() => this.#stream.route()));
  }

  // The whole answer, after the last piece.
  get response() {
    const text = native(() => this.#stream.response());
    return text == null ? undefined : JSON.parse(text);
  }

  // Cancels the call; what was delivered is settled.
  close() {
    this.#forget();
    this.#stream.close();
  }

  // A web stream of the pieces, to hand on to a Response.
  toReadableStream() {
    return new ReadableStream(
      {
        pull: async (controller) => {
          const piece = await this.next();
          if (piece.done) controller.close();
          else controller.enqueue(piece.value);
        },
        cancel: () => this.close(),
      },
      { highWaterMark: 0 },
    );
  }

  #forget() {
    if (this.#aborted) this.#signal.removeEventListener("abort", this.#aborted);
    this.#aborted = undefined;
  }
}

if (Symbol.asyncDispose) {
  Stream.prototype[Symbol.asyncDispose] = async function () {
    this.close();
  };
}

module.exports = { Stream };
