# Rack with its sessions in Redis by redis-rack, as its README sets it up, on redis-rb. With RETRY the client tries
# again for about three seconds.
require 'json'
require 'rack'
require 'redis-rack'

sentinels = ENV.fetch('REDIS_SENTINELS', '').split(',').map do |place|
  host, port = place.split(':')
  { host: host, port: port.to_i, password: ENV['REDIS_SENTINEL_PASSWORD'] }
end
options = { password: ENV['REDIS_PASSWORD'], timeout: 1 }
options.merge!(reconnect_attempts: 10, reconnect_delay: 0.3, reconnect_delay_max: 0.3) if ENV['RETRY']
if sentinels.empty?
  options.merge!(host: ENV['REDIS_HOST'], port: ENV['REDIS_PORT'].to_i)
else
  options.merge!(url: "redis://#{ENV['REDIS_SERVICE']}", sentinels: sentinels, role: :master)
end
use Rack::Session::Redis, redis_store: Redis::Store.new(options), key: 'rack.session', expire_after: 3600

def answer(status, body = nil)
  [status, { 'Content-Type' => 'application/json' }, body ? [JSON.generate(body)] : []]
end

run(lambda do |env|
  request = Rack::Request.new(env)
  return answer(200) if request.path == '/health'

  session = request.session
  known = session['user']
  case request.path
  when '/login'
    session.clear
    session.options[:renew] = true
    session['user'] = request.params['user']
    session['cart'] = {}
    answer(204)
  when '/me'
    answer(200, user: known, theme: session['theme'], cart: session['cart'])
  when '/theme'
    return answer(401) unless known

    session['theme'] = request.params['theme']
    answer(204)
  when '/cart'
    return answer(401) unless known

    item = request.params['item']
    cart = session['cart'].merge(item => session['cart'].fetch(item, 0) + request.params['quantity'].to_i)
    session['cart'] = cart
    answer(200, cart: cart)
  when '/logout'
    session.options[:drop] = true
    session.destroy
    answer(204)
  else
    answer(404)
  end
end)
