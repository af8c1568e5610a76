// The code under test: a shop that keeps its log-ins in Redis, found by Sentinel.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import Redis from "ioredis";

const PATIENCE_MS = 15_000;

export function connect(env = process.env) {
  const redis = new Redis({
    sentinels: env.REDIS_SENTINELS.split(",").map((one) => {
      const [host, port] = one.split(":");
      return { host, port: Number(port) };
    }),
    name: env.REDIS_SERVICE,
    password: env.REDIS_PASSWORD,
    sentinelPassword: env.REDIS_SENTINEL_PASSWORD,
    connectTimeout: 500,
    sentinelCommandTimeout: 500,
    // Without it, a command to a paused primary waits until the primary is resumed.
    commandTimeout: 500,
    // Without it, the client stays with the old primary until that closes the connection.
    failoverDetector: true,
  });
  redis.on("error", () => {}); // commands fail, and are tried again
  return redis;
}

export class SessionStore {
  constructor(redis) {
    this.redis = redis;
  }

  async logIn(user) {
    const session = randomUUID();
    await this.patiently(() => this.redis.set(`session:${session}`, user, "EX", 3600));
    return session;
  }

  userOf(session) {
    return this.patiently(() => this.redis.get(`session:${session}`));
  }

  // Whether a replica has what was written.
  async copied() {
    return (await this.redis.wait(1, 400)) >= 1;
  }

  // A failover takes some seconds.
  async patiently(ask) {
    const giveUp = Date.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await ask();
      } catch (problem) {
        if (Date.now() > giveUp) throw problem;
        // ioredis ends for good if a failover is announced while it connects.
        if (this.redis.status === "end") this.redis.connect().catch(() => {});
        await pause(100);
      }
    }
  }
}
