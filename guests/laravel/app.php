<?php
// Laravel's own session store on its cache on its Redis connection (SESSION_DRIVER=redis), without the rest of
// the framework: what the middleware StartSession does for a request is done here by hand. CLIENT chooses predis or
// phpredis, as REDIS_CLIENT does. Force log-out: each user's sessions are listed in a set. With TUNED predis asks
// Sentinel ten times a second, waits for half a second, and reads at the primary; requests of one session take turns.
foreach (['Redis', 'Cache', 'Session'] as $part) {
    require_once "Illuminate/$part/autoload.php";
}

use Illuminate\Cache\RedisStore;
use Illuminate\Cache\Repository;
use Illuminate\Redis\RedisManager;
use Illuminate\Session\CacheBasedSessionHandler;
use Illuminate\Session\Store;
use Predis\Connection\Aggregate\SentinelReplication;
use Predis\Connection\Factory;

const LIFETIME_MINUTES = 60;

function configured(array $sentinels): array
{
    $patience = getenv('TUNED') ? 0.5 : 1;
    $waits = ['timeout' => $patience, 'read_write_timeout' => $patience, 'read_timeout' => $patience];
    $waits['password'] = getenv('REDIS_PASSWORD');
    $asking = ['password' => getenv('REDIS_SENTINEL_PASSWORD'), 'timeout' => 0.5, 'read_write_timeout' => 0.5];
    $plain = ['host' => getenv('REDIS_HOST'), 'port' => getenv('REDIS_PORT'), 'database' => 0] + $waits;
    // Of an address predis 1.1 takes no password for a sentinel; of a connection that is there it takes all.
    $asked = array_map(fn ($place) => (new Factory())->create("tcp://$place?" . http_build_query($asking)), $sentinels);
    $watched = ['replication' => 'sentinel', 'service' => getenv('REDIS_SERVICE'), 'parameters' => $waits];
    return ['options' => ['prefix' => 'laravel_database_'],
        'default' => $sentinels ? [...$asked, 'options' => $watched] : $plain];
}

function tune(SentinelReplication $watched): void
{
    $watched->setRetryWait(100);
    $watched->setRetryLimit(60);
    $watched->getReplicationStrategy()->setCommandReadOnly('GET', false);
}

function answer(int $status, array $body = []): void
{
    http_response_code($status);
    header('Content-Type: application/json');
    echo $status === 204 ? '' : json_encode($body);
}

function answered(string $path, Store $session, $redis, RedisStore $cache): void
{
    $user = $session->get('user');
    switch ($path) {
        case '/login':
            $session->migrate(true);
            $session->put(['user' => $_POST['user'], 'cart' => [], 'theme' => null]);
            $redis->command('sadd', ["sessions:{$_POST['user']}", $session->getId()]);
            answer(204);
            break;
        case '/me':
            answer(200, ['user' => $user, 'theme' => $session->get('theme'),
                'cart' => (object) $session->get('cart', [])]);
            break;
        case '/theme':
            $user && $session->put('theme', $_POST['theme']);
            answer($user ? 204 : 401);
            break;
        case '/cart':
            $cart = $session->get('cart', []);
            if ($user) {
                $cart[$_POST['item']] = ($cart[$_POST['item']] ?? 0) + (int) $_POST['quantity'];
                $session->put('cart', $cart);
            }
            answer($user ? 200 : 401, ['cart' => (object) $cart]);
            break;
        case '/logout':
            $session->invalidate();
            answer(204);
            break;
        case '/logout-everywhere':
            foreach ($user ? $redis->command('smembers', ["sessions:$user"]) : [] as $id) {
                $cache->forget($id);
            }
            $user && $redis->command('del', ["sessions:$user"]);
            $session->invalidate();
            answer($user ? 204 : 401);
            break;
        default:
            answer(404);
    }
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/health') {
    answer(200);
    return;
}
ini_set('display_errors', '0');
try {
    $sentinels = array_filter(explode(',', getenv('REDIS_SENTINELS') ?: ''));
    $manager = new RedisManager(null, getenv('CLIENT') ?: 'predis', configured($sentinels));
    $sentinels && getenv('TUNED') && tune($manager->connection()->client()->getConnection());
    $cache = new RedisStore($manager, 'laravel_cache');
    $handler = new CacheBasedSessionHandler(new Repository($cache), LIFETIME_MINUTES);
    $session = new Store('laravel_session', $handler, $_COOKIE['laravel_session'] ?? null);
    ob_start();
    $handled = function () use ($path, $session, $manager, $cache) {
        $session->start();
        answered($path, $session, $manager->connection(), $cache);
        $session->save();
    };
    $lock = $cache->lock('session:' . $session->getId(), 10)->betweenBlockedAttemptsSleepFor(50);
    getenv('TUNED') ? $lock->block(10, $handled) : $handled();
    setcookie('laravel_session', $session->getId(), ['path' => '/', 'httponly' => true,
        'expires' => time() + 60 * LIFETIME_MINUTES]);
    ob_end_flush();
} catch (Throwable $problem) {
    ob_get_level() && ob_end_clean();
    error_log(get_class($problem) . ': ' . $problem->getMessage());
    answer(500, ['error' => 'store']);
}
