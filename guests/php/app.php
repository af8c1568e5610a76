<?php
// PHP's own sessions in Redis. STORE chooses who keeps them: phpredis by its session handler, as its README
// sets it up, or predis by Predis\Session\Handler. With STRICT the application looks whether the session could
// be read and written, and answers 503 where it could not: PHP itself goes on with an empty one. With PERSISTENT
// phpredis keeps its connections between requests, with PATIENT it has the time-outs that it has by default. With
// TUNED predis asks Sentinel ten times a second, waits for half a second, and reads at the primary.

$sentinels = array_filter(explode(',', getenv('REDIS_SENTINELS') ?: ''));
$strict = getenv('STRICT') !== false;

function phpredis(array $sentinels): void
{
    [$host, $port, $password] = [getenv('REDIS_HOST'), getenv('REDIS_PORT'), getenv('REDIS_PASSWORD')];
    if ($sentinels) {
        [$host, $port] = primary($sentinels) ?? ['127.0.0.1', 1];
    }
    ini_set('session.save_handler', 'redis');
    $waits = getenv('PATIENT') ? [] : ['timeout' => 1, 'read_timeout' => 1];
    $stays = getenv('PERSISTENT') ? ['persistent' => 1] : [];
    $how = ['auth' => $password, 'database' => 0] + $waits + $stays;
    ini_set('session.save_path', "tcp://$host:$port?" . http_build_query($how));
}

/** The handler knows no Sentinel, so each request asks one for the primary. */
function primary(array $sentinels): ?array
{
    foreach ($sentinels as $place) {
        [$host, $port] = explode(':', $place);
        try {
            $sentinel = new RedisSentinel($host, (int) $port, 0.5, null, 0, 0.5, getenv('REDIS_SENTINEL_PASSWORD'));
            if ($found = $sentinel->getMasterAddrByName(getenv('REDIS_SERVICE'))) {
                return $found;
            }
        } catch (RedisException) {
            continue;
        }
    }
    return null;
}

function predis(array $sentinels): void
{
    require_once 'Predis/autoload.php';
    $patience = getenv('TUNED') ? 0.5 : 1;
    $waits = ['password' => getenv('REDIS_PASSWORD'), 'timeout' => $patience, 'read_write_timeout' => $patience];
    $to_sentinel = ['password' => getenv('REDIS_SENTINEL_PASSWORD'), 'timeout' => 0.5, 'read_write_timeout' => 0.5];
    if ($sentinels) {
        // Of an address predis 1.1 takes no password for a sentinel; of a connection that is there it takes all.
        $asked = array_map(
            fn ($place) => (new Predis\Connection\Factory())->create("tcp://$place?" . http_build_query($to_sentinel)),
            $sentinels
        );
        $options = ['replication' => 'sentinel', 'service' => getenv('REDIS_SERVICE'), 'parameters' => $waits];
        $client = new Predis\Client($asked, $options);
        if (getenv('TUNED')) {
            $client->getConnection()->setRetryWait(100);
            $client->getConnection()->setRetryLimit(60);
            $client->getConnection()->getReplicationStrategy()->setCommandReadOnly('GET', false);
        }
    } else {
        $client = new Predis\Client(['host' => getenv('REDIS_HOST'), 'port' => getenv('REDIS_PORT')] + $waits);
    }
    (new Predis\Session\Handler($client, ['gc_maxlifetime' => 3600]))->register();
}

function answer(int $status, array $body = []): void
{
    global $strict;
    $stored = session_status() !== PHP_SESSION_ACTIVE || session_write_close();
    http_response_code($strict && !$stored ? 503 : $status);
    if (http_response_code() !== 204) {
        header('Content-Type: application/json');
        echo json_encode($body);
    }
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/health') {
    answer(200);
    return;
}
ini_set('session.gc_maxlifetime', '3600');
ini_set('display_errors', '0');
getenv('STORE') === 'predis' ? predis($sentinels) : phpredis($sentinels);
if (!session_start() && $strict) {
    answer(503);
    return;
}
$known = isset($_SESSION['user']);
switch ($path) {
    case '/login':
        session_regenerate_id(true);
        $_SESSION = ['user' => $_POST['user'], 'cart' => []];
        answer(204);
        break;
    case '/me':
        answer(200, [
            'user' => $_SESSION['user'] ?? null,
            'theme' => $_SESSION['theme'] ?? null,
            'cart' => (object) ($_SESSION['cart'] ?? []),
        ]);
        break;
    case '/theme':
        $known and $_SESSION['theme'] = $_POST['theme'];
        answer($known ? 204 : 401);
        break;
    case '/cart':
        if ($known) {
            $item = $_POST['item'];
            $_SESSION['cart'][$item] = ($_SESSION['cart'][$item] ?? 0) + (int) $_POST['quantity'];
        }
        answer($known ? 200 : 401, ['cart' => (object) ($_SESSION['cart'] ?? [])]);
        break;
    case '/logout':
        session_destroy();
        answer(204);
        break;
    default:
        answer(404);
}
