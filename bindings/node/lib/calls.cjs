"use strict";
// Calls that are under way: each has a number, and its end is told by the native half with that number.
const { make } = require("./errors.cjs");

// The native half holds no process open. While calls are under way, this timer does.
const LONGEST = 2 ** 31 - 1;
let underWay = 0;
let timer;

function hold() {
  underWay += 1;
  if (underWay === 1) timer = setInterval(() => {}, LONGEST);
}

function release() {
  underWay -= 1;
  if (underWay === 0) clearInterval(timer);
}

class Calls {
  #open = new Map();
  #next = 1;

  // Starts a call: `begin(number)` brings the handle that cancels it. An AbortSignal cancels it too. `owner` is kept from
  // being collected until the call has ended, since that would cancel it.
  start(begin, owner, signal) {
    if (signal?.aborted) return Promise.reject(reasonOf(signal));
    return new Promise((resolve, reject) => {
      const call = { resolve, reject, owner, signal, aborted: undefined };
      const number = this.#keep(call);
      try {
        const handle = begin(number);
        if (signal) {
          call.aborted = () => handle.cancel();
          signal.addEventListener("abort", call.aborted, { once: true });
        }
      } catch (error) {
        this.#take(number);
        reject(error);
      }
    });
  }

  // Waits where `begin(number)` says that there is something to wait for, until that number's end is told.
  wait(begin, owner) {
    return new Promise((resolve, reject) => {
      const number = this.#keep({ resolve, reject, owner });
      try {
        if (begin(number)) return;
        this.#take(number);
        resolve();
      } catch (error) {
        this.#take(number);
        reject(error);
      }
    });
  }

  // What the native half tells of a call's end.
  end(number, error, value) {
    const call = this.#take(number);
    if (!call) return;
    if (error == null) call.resolve(value ?? undefined);
    else if (call.signal?.aborted) call.reject(reasonOf(call.signal));
    else call.reject(make(error));
  }

  #keep(call) {
    const number = this.#next;
    this.#next = (number % 0xffffffff) + 1;
    this.#open.set(number, call);
    hold();
    return number;
  }

  #take(number) {
    const call = this.#open.get(number);
    if (!call) return undefined;
    this.#open.delete(number);
    release();
    if (call.aborted) call.signal.removeEventListener("abort", call.aborted);
    return call;
  }
}

// An AbortError, or what the caller gave as the reason: as fetch has it.
function reasonOf(signal) {
  return signal.reason ?? new DOMException("This operation was aborted", "AbortError");
}

module.exports = { Calls };
