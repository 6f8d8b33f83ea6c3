// Makes the page: node build.mjs OUT/report.html
// Template, style and script become one file. The same sources give the same bytes.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const PLACEHOLDER = '@EXPO_REPORT_DATA@';
const here = dirname(fileURLToPath(import.meta.url));

async function bundle(entry, options = {}) {
  const result = await build({
    entryPoints: [join(here, 'src', entry)],
    absWorkingDir: here,
    bundle: true,
    minify: true,
    write: false,
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
    ...options,
  });
  return result.outputFiles[0].text.trim();
}

const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

// A function as replacement, as $ has a meaning in a string.
function fill(template, values) {
  return Object.entries(values).reduce((text, [name, value]) => {
    if (text.split(`@${name}@`).length !== 2) throw new Error(`template.html must hold @${name}@ once`);
    return text.replace(`@${name}@`, () => value);
  }, template);
}

function policy(script, style) {
  return [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

const out = process.argv[2];
if (!out || process.argv.length > 3) {
  console.error('build.mjs: name the file to write: node page/build.mjs OUT/report.html');
  process.exit(2);
}
const script = await bundle('main.ts', { format: 'iife', target: 'es2022' });
const style = await bundle('style.css');
if (/<\/script|<!--/i.test(script) || /<\/style/i.test(style)) throw new Error('the bundle would end its own element');
const template = readFileSync(join(here, 'template.html'), 'utf8');
const page = fill(template, { POLICY: policy(script, style), STYLE: style, SCRIPT: script });
if (page.split(PLACEHOLDER).length !== 2) throw new Error(`the page must hold ${PLACEHOLDER} once`);
mkdirSync(dirname(out), { recursive: true });
writeFileSync(`${out}.part`, page);
renameSync(`${out}.part`, out);
