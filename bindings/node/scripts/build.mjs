// Builds the native half for this machine and puts the package together: `node scripts/build.mjs [--release] [--testing]`.
// The tests want --testing, which adds scripted vendors; what is published never has it.
import { execFileSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = join(dirname(fileURLToPath(import.meta.url)), "..");
const root = join(here, "..", "..");
const isRelease = process.argv.includes("--release");
const options = ["build", "-q", "-p", "tierway-node"];
if (isRelease) options.push("--release");
if (process.argv.includes("--testing")) options.push("--features", "testing");
execFileSync("cargo", options, { cwd: root, stdio: "inherit" });

const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const library = { darwin: "libtierway_node.dylib", win32: "tierway_node.dll" }[process.platform] ?? "libtierway_node.so";
const suffix = { linux: "-gnu", win32: "-msvc" }[process.platform] ?? "";
const name = `tierway.${process.platform}-${process.arch}${suffix}.node`;
copyFileSync(join(target, isRelease ? "release" : "debug", library), join(here, name));
await import("./assemble.mjs");
