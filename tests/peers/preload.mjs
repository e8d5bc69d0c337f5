// For the official CLI, which knows no way to choose its auth host: what it would ask there goes to SIMULATOR_URL.
const AUTH = /^https:\/\/auth\.[a-z0-9.-]+\.commercetools\.com(?=\/)/;
const { fetch } = globalThis;

globalThis.fetch = (target, init) => fetch(typeof target === "string" ? target.replace(AUTH, process.env.SIMULATOR_URL) : target, init);
