// Lays out one npm package a platform: `node scripts/packages.mjs ARTIFACTS OUT`. ARTIFACTS holds the built
// `tierway.PLATFORM.node` files; a platform that package.json promises and that is not there is an error.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [artifacts, out] = process.argv.slice(2);
if (!artifacts || !out) throw new Error("usage: packages.mjs ARTIFACTS OUT [--some]");
// --some: only the platforms that are there, for a try on one machine.
const isPartial = process.argv.includes("--some");
const here = join(dirname(fileURLToPath(import.meta.url)), "..");
const main = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
let made = 0;
for (const [name, version] of Object.entries(main.optionalDependencies)) {
  const platform = name.replace("@tierway/", "");
  const [os, cpu, abi] = platform.split("-");
  const file = `tierway.${platform}.node`;
  if (!existsSync(join(artifacts, file))) {
    if (isPartial) continue;
    throw new Error(`${file} is not in ${artifacts}: build it, or take its package out of package.json`);
  }
  if (version !== main.version) throw new Error(`${name} must have version ${main.version}`);
  const folder = join(out, platform);
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(artifacts, file), join(folder, file));
  const libc = { gnu: ["glibc"], musl: ["musl"] }[abi];
  const { license, repository } = main;
  const card = { name, version, description: `The native half of tierway for ${platform}`, license, repository };
  const whole = { ...card, main: file, files: [file], engines: main.engines, os: [os], cpu: [cpu], ...(libc && { libc }) };
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(whole, null, 2)}\n`);
  writeFileSync(join(folder, "README.md"), `# ${name}\n\nThe native half of [tierway](https://www.npmjs.com/package/tierway).\n`);
  made += 1;
}
console.log(`${made} packages in ${out}`);
