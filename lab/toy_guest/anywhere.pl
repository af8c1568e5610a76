# A guest that needs nothing but perl, so that it runs in any container: log-in, page, field, log-out.
# Sessions are hashes in Redis, `sess:<id>`, at REDIS_HOST and REDIS_PORT. It imports nothing of the kit.
use strict;
use warnings;
use IO::Socket::INET;

$SIG{"CHLD"} = "IGNORE";
my $port = $ENV{"PORT"} || 8000;
my $door = IO::Socket::INET->new(
    LocalAddr => $ENV{"HOST"} || "0.0.0.0", LocalPort => $port, Listen => 128, ReuseAddr => 1
) or die "port $port: $!\n";

sub redis {
    my ($redis, @words) = @_;
    print $redis "*" . @words . "\r\n", map { "\$" . length($_) . "\r\n$_\r\n" } @words;
    my $reply = <$redis> // die "no reply\n";
    $reply =~ s/\r\n//;
    die "$reply\n" if $reply =~ /^-/;
    return substr($reply, 1) if $reply !~ /^\$/;
    return undef if $reply eq "\$-1";
    read($redis, my $value, substr($reply, 1) + 2);
    return substr($value, 0, -2);
}

sub carried_out {
    my ($method, $path, $sid, %form) = @_;
    return (200, "{}") if $path eq "/health";
    my $redis = IO::Socket::INET->new(
        PeerAddr => $ENV{"REDIS_HOST"}, PeerPort => $ENV{"REDIS_PORT"} || 6379, Timeout => 2
    ) or die "no Redis\n";
    redis($redis, "AUTH", $ENV{"REDIS_PASSWORD"}) if $ENV{"REDIS_PASSWORD"};
    if ($path eq "/login") {
        $sid = join "", map { sprintf "%08x", rand 2**32 } 1 .. 4;
        redis($redis, "HSET", "sess:$sid", "user", $form{"user"}, "theme", "light");
        return (200, "{}", "Set-Cookie: sid=$sid; Path=/\r\n");
    }
    my $user = $sid ? redis($redis, "HGET", "sess:$sid", "user") : undef;
    return (401, "{}") if !defined $user;
    redis($redis, "HSET", "sess:$sid", "theme", $form{"theme"}) if $path eq "/theme";
    if ($path eq "/logout") {
        redis($redis, "DEL", "sess:$sid");
        return (200, "{}", "Set-Cookie: sid=; Path=/; Max-Age=0\r\n");
    }
    my $theme = redis($redis, "HGET", "sess:$sid", "theme") // "";
    return (200, qq({"user": "$user", "theme": "$theme"}));
}

srand();
while (my $browser = $door->accept) {
    next if fork;
    srand();
    my ($method, $path) = split / /, <$browser> // exit;
    my ($length, $sid) = (0, "");
    while (defined(my $line = <$browser>) ) {
        last if $line eq "\r\n";
        $length = $1 if $line =~ /^content-length: (\d+)/i;
        $sid = $1 if $line =~ /^cookie:.*\bsid=(\w+)/i;
    }
    read($browser, my $body, $length) if $length;
    my %form = map { s/%(..)/chr hex $1/ger } map { split /=/, $_, 2 } split /&/, $body // "";
    my ($status, $content, $headers) = eval { carried_out($method, $path, $sid, %form) };
    ($status, $content) = (500, "{}") if !$status;
    print $browser "HTTP/1.1 $status OK\r\n", $headers // "",
        "Content-Length: " . length($content) . "\r\nConnection: close\r\n\r\n$content";
    exit;
}
