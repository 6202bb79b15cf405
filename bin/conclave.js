#!/usr/bin/env node
// Starts the command line: the TypeScript source in a checkout, the compiled files in an installed package.
import { existsSync } from 'node:fs';

const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  console.error(
    `conclave needs Node 24 or newer, this is ${process.version}. In a checkout use "npm start" or "npx conclave", which bring their own.`,
  );
  process.exit(1);
}
const source = new URL('../src/main/bin.ts', import.meta.url);
const built = new URL('../dist/main/bin.js', import.meta.url);
await import((existsSync(source) ? source : built).href);
