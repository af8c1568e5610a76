// The account service, in Node: the same routes on the same sessions as shop.py, on node-redis.
const crypto = require("crypto")
const express = require("express")
const { createClient, createSentinel } = require("redis")

const LIFETIME_S = 3600
const REMEMBERED_S = 30 * 86400
const FAILED_MOST = 5
const FAILED_S = 60
const PASSWORD = "failover"
const env = process.env

function client () {
  // Without pings a quiet connection is taken for a dead one, and without a strategy the client then ends for good.
  const socket = { connectTimeout: 1000, socketTimeout: 1500, reconnectStrategy: () => 200 }
  const waits = { disableOfflineQueue: true, pingInterval: 500, socket }
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

const cookie = (request, name) => new RegExp(`(?:^|; )${name}=(\\w+)`).exec(request.headers.cookie || "")?.[1] || ""
const random = () => crypto.randomBytes(16).toString("hex")

async function begun (response, user) {
  const [id, content] = [random(), { user, theme: null, cart: {} }]
  await redis.set(`session:${id}`, JSON.stringify(content), { EX: LIFETIME_S })
  await redis.sAdd(`sessions:${user}`, id)
  response.cookie("sid", id, { httpOnly: true })
  return [id, content]
}

async function saved (response, id, content, status) {
  await redis.set(`session:${id}`, JSON.stringify(content), { EX: LIFETIME_S })
  response.status(status)
  return status === 204 ? response.end() : response.json(content)
}

// Whoever has no session and a token gets a new session.
const known = act => async (request, response) => {
  const id = cookie(request, "sid")
  const found = await redis.get(`session:${id}`)
  if (found !== null) return act(request, response, id, JSON.parse(found))
  const user = await redis.get(`remember:${cookie(request, "remember")}`)
  return act(request, response, ...(user === null ? [id, null] : await begun(response, user)))
}

app.post("/login", async (request, response) => {
  const { user, password } = request.body
  if (Number(await redis.get(`failed:${user}`) || 0) >= FAILED_MOST) return response.status(429).end()
  if (password !== PASSWORD) {
    await redis.incr(`failed:${user}`)
    await redis.expire(`failed:${user}`, FAILED_S)
    return response.status(403).end()
  }
  await redis.del(`failed:${user}`)
  await begun(response, user)
  const token = random()
  await redis.set(`remember:${token}`, user, { EX: REMEMBERED_S })
  await redis.sAdd(`tokens:${user}`, token)
  return response.cookie("remember", token, { maxAge: REMEMBERED_S * 1000, httpOnly: true }).status(204).end()
})
app.get("/me", known((request, response, id, content) => response.json(content || { user: null })))
app.post("/theme", known((request, response, id, content) => content === null
  ? response.status(401).end()
  : saved(response, id, { ...content, theme: request.body.theme }, 204)))
app.post("/cart", known((request, response, id, content) => {
  if (content === null) return response.status(401).end()
  const { item, quantity } = request.body
  content.cart[item] = (content.cart[item] || 0) + Number(quantity)
  return saved(response, id, content, 200)
}))
app.post(["/logout", "/logout-everywhere"], async (request, response) => {
  const id = cookie(request, "sid")
  const gone = [`session:${id}`, `remember:${cookie(request, "remember")}`]
  const found = await redis.get(`session:${id}`)
  if (found !== null && request.path === "/logout-everywhere") {
    const { user } = JSON.parse(found)
    gone.push(...(await redis.sMembers(`sessions:${user}`)).map(one => `session:${one}`))
    gone.push(...(await redis.sMembers(`tokens:${user}`)).map(one => `remember:${one}`))
  }
  await redis.del(gone)
  response.clearCookie("sid").clearCookie("remember").status(204).end()
})
app.use((problem, request, response, next) => response.status(500).send(problem.constructor.name))

app.listen(Number(env.PORT), env.HOST)
