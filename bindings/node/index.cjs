"use strict";
// The package for `require`. The classes are in lib/; index.mjs gives the same ones to `import`.
const { Client } = require("./lib/client.cjs");
const { Stream } = require("./lib/stream.cjs");
const errors = require("./lib/errors.cjs");

module.exports = { Client, Stream, ...errors.classes };
