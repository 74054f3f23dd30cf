// Whether what came out of a case is what was expected: the rules of tests/cases/README.md.
import { isDeepStrictEqual } from "node:util";

const RULES = {
  has: (want, found) => typeof found === "string" && found.includes(want),
  at_least: (want, found) => typeof found === "number" && found >= want,
  one_of: (want, found) => want.some((choice) => isDeepStrictEqual(choice, found)),
  json: (want, found) => {
    try {
      return isDeepStrictEqual(JSON.parse(found), want);
    } catch {
      return false;
    }
  },
};

// What differs, or undefined. `null` fits what is absent.
export function mismatch(want, found, place = "$") {
  const fails = () => `${place}: expected ${JSON.stringify(want)}, found ${JSON.stringify(found)?.slice(0, 400)}`;
  if (Array.isArray(want)) {
    if (!Array.isArray(found) || found.length !== want.length) return fails();
    return first(want, (inner, at) => mismatch(inner, found[at], `${place}[${at}]`));
  }
  if (want === null || typeof want !== "object") return want === (found ?? null) ? undefined : fails();
  const keys = Object.keys(want);
  if (keys.length === 1) {
    const [rule] = keys;
    if (rule === "begins") {
      if (!Array.isArray(found) || found.length < want.begins.length) return fails();
      return mismatch(want.begins, found.slice(0, want.begins.length), place);
    }
    if (Object.hasOwn(RULES, rule)) return RULES[rule](want[rule], found ?? null) ? undefined : fails();
  }
  return first(keys, (key) => mismatch(want[key], found?.[key], `${place}.${key}`));
}

function first(items, fault) {
  for (const [at, item] of items.entries()) {
    const found = fault(item, at);
    if (found) return found;
  }
  return undefined;
}
