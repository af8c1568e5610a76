// Runs inside `failover-kit with sentinel -- npm test`: nodes from the variables, faults by the control interface.
import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { connect, SessionStore } from "./shop.js";

async function call(method, path, body) {
  const answer = await fetch(process.env.FAILOVER_CONTROL + path, {
    method,
    headers: { Authorization: `Bearer ${process.env.FAILOVER_CONTROL_TOKEN}` },
    body: body && JSON.stringify(body),
  });
  const said = await answer.json();
  assert.ok(answer.ok, said.error);
  return said;
}

const redis = connect();
const store = new SessionStore(redis);

afterEach(async () => {
  await call("POST", "/heal");
  await call("GET", "/wait/recovered?within=60s");
});
after(() => redis.disconnect());

for (const fault of ["kill: primary", "pause: primary", "isolate: primary"]) {
  test(`sessions outlive a failover: ${fault}`, async () => {
    const ann = await store.logIn("ann");
    assert.ok(await store.copied());
    const broken = await call("POST", "/inject", fault);
    const bob = await store.logIn("bob");
    await call("GET", `/wait/promoted?within=30s&fault=${broken.fault}`);
    assert.equal(await store.userOf(ann), "ann");
    assert.equal(await store.userOf(bob), "bob");
  });
}
