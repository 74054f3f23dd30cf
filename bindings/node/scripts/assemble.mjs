// Puts the package's own files together: types made from the core's, and the declarations for both module systems.
import { copyFileSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = join(dirname(fileURLToPath(import.meta.url)), "..");
const root = join(here, "..", "..");
copyFileSync(join(root, "bindings", "types", "tierway.d.ts"), join(here, "types.d.ts"));
copyFileSync(join(here, "index.d.cts"), join(here, "index.d.mts"));
const version = /^version = "(.*)"/m.exec(readFileSync(join(root, "Cargo.toml"), "utf8"))[1];
if (JSON.parse(readFileSync(join(here, "package.json"), "utf8")).version !== version) {
  throw new Error(`package.json must say version ${version}, as Cargo.toml does`);
}
