"use strict";
// Finds the native half: one that was built here, else the package of this platform.
const { existsSync } = require("node:fs");
const { join } = require("node:path");

// Linux has two C libraries. Node says which one it runs on; Bun and Deno do not, and there the loader's file tells.
function isMusl() {
  const report = process.report?.getReport?.();
  const header = (typeof report === "string" ? JSON.parse(report) : report)?.header;
  if (header && "glibcVersionRuntime" in header) return !header.glibcVersionRuntime;
  return existsSync("/lib/ld-musl-x86_64.so.1") || existsSync("/lib/ld-musl-aarch64.so.1");
}

function platform() {
  const name = `${process.platform}-${process.arch}`;
  if (process.platform === "linux") return `${name}-${isMusl() ? "musl" : "gnu"}`;
  return process.platform === "win32" ? `${name}-msvc` : name;
}

function load() {
  if (process.env.TIERWAY_NATIVE) return require(process.env.TIERWAY_NATIVE);
  const name = platform();
  const local = join(__dirname, "..", `tierway.${name}.node`);
  if (existsSync(local)) return require(local);
  try {
    return require(`@tierway/${name}`);
  } catch (cause) {
    if (cause.code !== "MODULE_NOT_FOUND") throw cause;
    throw new Error(
      `tierway has no native half for ${name} here: npm sometimes leaves optional packages out when the lock file was ` +
        `made on another platform; remove node_modules and the lock file, install again, or add @tierway/${name} yourself`,
      { cause },
    );
  }
}

module.exports = load();
