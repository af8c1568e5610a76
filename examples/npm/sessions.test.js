// Runs inside `failover-kit with sentinel -- npm test`: nodes from the variables, faults by the control interface.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, afterEach, test } from "node:test";
import Redis from "ioredis";

const env = process.env;
const redis = new Redis({
  sentinels: env.REDIS_SENTINELS.split(",").map((one) => ({ host: one.split(":")[0], port: +one.split(":")[1] })),
  name: env.REDIS_SERVICE,
  password: env.REDIS_PASSWORD,
  sentinelPassword: env.REDIS_SENTINEL_PASSWORD,
  commandTimeout: 500, // without it, a command to a paused primary waits until the primary is resumed
  connectTimeout: 500,
  sentinelCommandTimeout: 500,
  failoverDetector: true, // without it, the client stays with the old primary until that closes the connection
});
redis.on("error", () => {});

async function call(method, path, body) {
  const answer = await fetch(env.FAILOVER_CONTROL + path, {
    method,
    headers: { Authorization: `Bearer ${env.FAILOVER_CONTROL_TOKEN}` },
    body: body && JSON.stringify(body),
  });
  const said = await answer.json();
  assert.ok(answer.ok, said.error);
  return said;
}

async function patiently(ask) {
  for (const giveUp = Date.now() + 15000; ; ) {
    try {
      return await ask();
    } catch (problem) {
      if (Date.now() > giveUp) throw problem;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function logIn(user) {
  const session = randomUUID();
  await patiently(() => redis.set(`session:${session}`, user, "EX", 3600));
  return session;
}

const userOf = (session) => patiently(() => redis.get(`session:${session}`));

afterEach(async () => {
  await call("POST", "/heal");
  await call("GET", "/wait/recovered?within=60s");
});
after(() => redis.disconnect());

for (const fault of ["kill: primary", "pause: primary", "isolate: primary"]) {
  test(`sessions outlive a failover: ${fault}`, async () => {
    const ann = await logIn("ann");
    assert.ok((await redis.wait(1, 400)) >= 1);
    const broken = await call("POST", "/inject", fault);
    const bob = await logIn("bob");
    await call("GET", `/wait/promoted?within=30s&fault=${broken.fault}`);
    assert.equal(await userOf(ann), "ann");
    assert.equal(await userOf(bob), "bob");
  });
}
