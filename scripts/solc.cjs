#!/usr/bin/env node
// The npm compiler behind the command line that py-solc-x expects: --version and --standard-json.
// (npm's own solcjs prints a line before the JSON.) Nothing is downloaded: the compiler is in node_modules.
"use strict";
const { readFileSync, writeSync } = require("node:fs");
const solc = require("solc");

if (process.argv.includes("--version")) {
  writeSync(1, `solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (process.argv.includes("--standard-json")) {
  const output = Buffer.from(solc.compile(readFileSync(0, "utf8")));
  for (let written = 0; written < output.length; ) written += writeSync(1, output, written);
} else {
  process.stderr.write("usage: solc.cjs --version | --standard-json < INPUT\n");
  process.exitCode = 2;
}
