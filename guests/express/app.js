// Express with express-session and connect-redis, set up as their documentation says.
// STORE chooses the client: node-redis (connect-redis 9) or ioredis (connect-redis 8, the last that takes it).
// With TUNED a request to a Redis that does not answer fails after a second, nothing waits in a queue, and
// /health says whether there is a connection. With GIVES_UP the client ends after twenty tries to connect.
import express from "express"
import session from "express-session"
import { RedisStore } from "connect-redis"
import { RedisStore as RedisStore8 } from "connect-redis-8"
import { Redis } from "ioredis"
import { createClient, createSentinel } from "redis"

const env = process.env
const tuned = {
  "node-redis": {
    disableOfflineQueue: true,
    pingInterval: 500,
    socket: { connectTimeout: 1000, socketTimeout: 1500, reconnectStrategy: () => 200 },
  },
  ioredis: {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 1000,
    connectTimeout: 1000,
    failoverDetector: true,
  },
}
// The example of node-redis's documentation; its text says that the connection ends after about two minutes.
const givesUp = {
  "node-redis": {
    socket: {
      reconnectStrategy: (retries) => (retries > 20 ? new Error("Too many retries.") : retries * 500),
    },
  },
  ioredis: { retryStrategy: (times) => (times > 20 ? null : times * 500) },
}
let ready = () => true
const more = (env.TUNED ? tuned : env.GIVES_UP ? givesUp : {})[env.STORE] ?? {}
const sentinels = (env.REDIS_SENTINELS ?? "")
  .split(",")
  .filter(Boolean)
  .map((place) => ({ host: place.split(":")[0], port: Number(place.split(":")[1]) }))

function ioredisStore() {
  const client = sentinels.length
    ? new Redis({
        sentinels,
        name: env.REDIS_SERVICE,
        password: env.REDIS_PASSWORD,
        sentinelPassword: env.REDIS_SENTINEL_PASSWORD,
        ...more,
      })
    : new Redis(env.REDIS_URL, more)
  client.on("error", () => {})
  ready = () => client.status === "ready"
  return new RedisStore8({ client })
}

async function nodeRedisStore() {
  const client = sentinels.length
    ? createSentinel({
        name: env.REDIS_SERVICE,
        sentinelRootNodes: sentinels,
        nodeClientOptions: { password: env.REDIS_PASSWORD, ...more },
        sentinelClientOptions: { password: env.REDIS_SENTINEL_PASSWORD },
      })
    : createClient({ url: env.REDIS_URL, ...more })
  client.on("error", () => {})
  client.connect().catch(() => {})
  ready = () => client.isReady
  return new RedisStore({ client })
}

const app = express()
app.get("/health", (_, answer) => answer.sendStatus(ready() || !env.TUNED ? 200 : 503))
app.use(express.urlencoded({ extended: false }))
app.use(
  session({
    store: env.STORE === "ioredis" ? ioredisStore() : await nodeRedisStore(),
    secret: "of a test",
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 3600 * 1000 },
  }),
)

app.post("/login", (request, answer, next) => {
  request.session.regenerate((problem) => {
    if (problem) return next(problem)
    Object.assign(request.session, { user: request.body.user, cart: {} })
    answer.sendStatus(204)
  })
})

app.get("/me", (request, answer) => {
  const { user = null, theme = null, cart = null } = request.session
  answer.json({ user, theme, cart })
})

const known = (request, answer, next) => (request.session.user ? next() : answer.sendStatus(401))

app.post("/theme", known, (request, answer) => {
  request.session.theme = request.body.theme
  answer.sendStatus(204)
})

app.post("/cart", known, (request, answer) => {
  const { cart } = request.session
  cart[request.body.item] = (cart[request.body.item] ?? 0) + Number(request.body.quantity)
  answer.json({ cart })
})

app.post("/logout", (request, answer, next) => {
  request.session.destroy((problem) => (problem ? next(problem) : answer.sendStatus(204)))
})

app.listen(Number(env.PORT), env.HOST)
