// The account service, in Node: the same routes on the same sessions as shop.py, on node-redis.
const crypto = require("crypto")
const express = require("express")
const { createClient, createSentinel } = require("redis")

const LIFETIME_S = 3600
const env = process.env

function client () {
  const waits = { commandOptions: { timeout: 2000 }, disableOfflineQueue: true, socket: { socketTimeout: 2000 } }
  if (!env.REDIS_SENTINELS) return createClient({ url: env.REDIS_URL, ...waits })
  const sentinelRootNodes = env.REDIS_SENTINELS.split(",").map(place => {
    const [host, port] = place.split(":")
    return { host, port: Number(port) }
  })
  return createSentinel({
    name: env.REDIS_SERVICE,
    sentinelRootNodes,
    nodeClientOptions: { password: env.REDIS_PASSWORD, ...waits },
    sentinelClientOptions: { password: env.REDIS_SENTINEL_PASSWORD }
  })
}

const redis = client()
redis.on("error", problem => console.error(String(problem)))
redis.connect().catch(problem => console.error(String(problem)))

const app = express()
app.use(express.urlencoded({ extended: false }))
app.get("/health", (request, response) => response.send("ok"))

const sid = request => /(?:^|; )sid=(\w+)/.exec(request.headers.cookie || "")?.[1] || ""

async function saved (response, id, content, status) {
  await redis.set(`session:${id}`, JSON.stringify(content), { EX: LIFETIME_S })
  response.cookie("sid", id, { httpOnly: true }).status(status)
  return status === 204 ? response.end() : response.json(content)
}

const known = act => async (request, response) => {
  const found = await redis.get(`session:${sid(request)}`)
  return act(request, response, found === null ? null : JSON.parse(found))
}

app.post("/login", (request, response) =>
  saved(response, crypto.randomBytes(16).toString("hex"), { user: request.body.user, theme: null, cart: {} }, 204))
app.get("/me", known((request, response, content) => response.json(content || { user: null })))
app.post("/theme", known((request, response, content) => content === null
  ? response.status(401).end()
  : saved(response, sid(request), { ...content, theme: request.body.theme }, 204)))
app.post("/cart", known((request, response, content) => {
  if (content === null) return response.status(401).end()
  const { item, quantity } = request.body
  content.cart[item] = (content.cart[item] || 0) + Number(quantity)
  return saved(response, sid(request), content, 200)
}))
app.post("/logout", async (request, response) => {
  await redis.del(`session:${sid(request)}`)
  response.clearCookie("sid").status(204).end()
})
app.use((problem, request, response, next) => response.status(500).send(problem.constructor.name))

app.listen(Number(env.PORT), env.HOST)
