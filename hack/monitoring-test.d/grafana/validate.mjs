// Checks dashboards against a JSON schema: node validate.mjs SCHEMA DASHBOARD…
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Ajv } from 'ajv';

const [schema, ...dashboards] = process.argv.slice(2);
if (dashboards.length === 0) throw new Error('usage: validate.mjs SCHEMA DASHBOARD…');
const ajv = new Ajv({ allErrors: true, discriminator: false, strict: false, verbose: true });
const validate = ajv.compile(JSON.parse(readFileSync(schema, 'utf8')));
let wrong = 0;
for (const path of dashboards) {
  if (validate(JSON.parse(readFileSync(path, 'utf8')))) continue;
  wrong += 1;
  // A panel is any of some kinds: only what is wrong within its own kind says anything.
  const others = validate.errors
    .filter((error) => error.instancePath.endsWith('/type') && error.keyword === 'const')
    .map((error) => error.schemaPath.replace(/\/properties\/type\/const$/, ''));
  for (const error of validate.errors) {
    if (error.keyword === 'anyOf' || others.some((kind) => error.schemaPath.startsWith(`${kind}/`))) continue;
    const what = error.params.additionalProperty ?? error.params.missingProperty ?? '';
    console.error(`${basename(path)}${error.instancePath}: ${error.message} ${what}`);
  }
}
if (wrong > 0) process.exit(1);
console.log(`${dashboards.length} dashboards are as Grafana's schema wants them`);
