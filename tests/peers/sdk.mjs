// Calls the official SDK as told: each line of input is {"as": {projectKey, credentials, scopes}, "chain": [[method, argument?], …]},
// each line of output what came of it. The chain starts at the API root and ends at a method that makes a request; as
// null, it is made without a token.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [folder, host] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { createApiClient } = require("@commercetools-connect/sdk");
const { ClientBuilder } = require("@commercetools/ts-client");

const roots = new Map();

function rootFor(as) {
  const name = JSON.stringify(as);
  if (!roots.has(name)) {
    const builder = new ClientBuilder().withHttpMiddleware({ host, httpClient: fetch });
    if (as !== null) builder.withClientCredentialsFlow({ host, ...as, httpClient: fetch });
    roots.set(name, createApiClient(builder.build().execute, host));
  }
  return roots.get(name);
}

async function made({ as, chain }) {
  const methods = [];
  let at = rootFor(as);
  for (const [method, argument] of chain) {
    methods.push(`${at.constructor.name}.${method}`);
    at = at[method](argument);
  }
  try {
    const { statusCode, body } = await at.execute();
    return { methods, statusCode, body };
  } catch (error) {
    const { name, statusCode, code, message, body } = error;
    return { methods, statusCode, body, error: { name, code, message } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await made(JSON.parse(line)))}\n`);
}
