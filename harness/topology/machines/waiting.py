"""What waits on a host for as long as a run lives: for each node a container that keeps its network.

The node's own container joins that network, as the containers of a pod do. So a node has its address and
its rules before it starts, keeps them while it is dead, and its image needs no tool for them. A dead node
refuses connections, as one whose machine lives on.

Rules carry their own end: what waits listens for the controller, whose process (`tunnel`) sends a datagram
every few seconds. After a minute of silence every rule is taken back, and devices of slow links go down.

The scripts are in Perl, which every Debian image has: nothing else is needed on a host but the image.
"""

from __future__ import annotations

BEAT_PORT = 11
"""Nothing else uses it; rules for partitions never drop what the controller itself sends by UDP."""
BEAT_EVERY_S = 5.0
SILENCE_S = 60.0

DEVICE = "tun0"
"""Of the relay."""
MTU = 1450
"""Of an overlay network: what carries its packets takes 50 bytes of each."""

KEEPER = r"""
use strict; use warnings;
my ($controller, $port, $silence) = @ARGV;
$SIG{TERM} = sub { exit 0 };
socket(my $heard, 2, 2, 0) or die "socket: $!";
bind($heard, pack('S n a4 x8', 2, $port, "\0" x 4)) or die "bind: $!";
my $from = pack('C4', split(/\./, $controller));
my $last = time;
while (1) {
    my $ready = '';
    vec($ready, fileno($heard), 1) = 1;
    if (select($ready, undef, undef, 1) > 0) {
        my $sender = recv($heard, my $said, 64, 0);
        $last = time if defined $sender && length($sender) >= 8 && substr($sender, 4, 4) eq $from;
    }
    if (time - $last >= $silence) {
        open(my $rules, '|-', 'iptables-restore') or die "iptables-restore: $!";
        print $rules "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
        close($rules);
        open(my $devices, '<', '/proc/net/dev') or die "/proc/net/dev: $!";
        for my $device (map { /^\s*(slow\d+):/ ? $1 : () } <$devices>) {
            ioctl($heard, 0x8914, pack('a16 S x22', $device, 0));
        }
        $last = time;
    }
}
"""
"""CONTROLLER'S-ADDRESS PORT SECONDS: the first process of a node's network."""

RELAY = r"""
use strict; use warnings;
my ($own, $spare, $mask, $mtu) = @ARGV;
sub setting {
    my ($name, $value) = @_;
    open(my $file, '>', "/proc/sys/net/ipv4/$name") or die "$name: $!";
    print $file $value;
    close($file) or die "$name: $!";
}
socket(my $any, 2, 2, 0) or die "socket: $!";
sub asked { my ($call, $request, $what) = @_; ioctl($any, $call, $request) or die "$what: $!"; }
sub address {
    my ($call, $device, $host) = @_;
    asked($call, pack('a16 S n a4 x16', $device, 2, 0, pack('C4', split(/\./, $host))), "$device $host");
}
open(my $device, '+<', '/dev/net/tun') or die "/dev/net/tun: $!";
my $made = pack('a16 S x22', 'tun0', 0x1001);
ioctl($device, 0x400454ca, $made) or die "tun0: $!";
ioctl($device, 0x400454d0, 0) or die "offloads of tun0: $!";
asked(0x8922, pack('a16 i x20', 'tun0', $mtu), 'mtu of tun0');
address(0x8916, 'eth0', $spare);
address(0x891c, 'eth0', $mask);
address(0x8916, 'tun0', '169.254.77.1');
address(0x8918, 'tun0', $own);
asked(0x8914, pack('a16 S x22', 'tun0', 0x41), 'tun0 up');
setting('ip_forward', 1);
setting('neigh/eth0/proxy_delay', 0);
setting('conf/all/proxy_arp', 1);
for my $name ('all', 'eth0', 'tun0') {
    setting("conf/$name/rp_filter", 0);
    setting("conf/$name/send_redirects", 0);
}
binmode(STDIN);
binmode(STDOUT);
sub carried {
    my $bytes = shift;
    for (my $at = 0; $at < length $bytes;) {
        my $sent = syswrite(STDOUT, $bytes, length($bytes) - $at, $at);
        exit 0 unless $sent;
        $at += $sent;
    }
}
carried(pack('n', 0));
my $waiting = '';
while (1) {
    my $ready = '';
    vec($ready, fileno($device), 1) = 1;
    vec($ready, fileno(STDIN), 1) = 1;
    select($ready, undef, undef, undef);
    if (vec($ready, fileno($device), 1)) {
        my $size = sysread($device, my $packet, 65535);
        carried(pack('n', $size) . $packet) if $size;
    }
    if (vec($ready, fileno(STDIN), 1)) {
        exit 0 unless sysread(STDIN, $waiting, 262144, length $waiting);
        while (length($waiting) >= 2) {
            my $size = unpack('n', $waiting);
            last if length($waiting) < 2 + $size;
            syswrite($device, substr($waiting, 2, $size)) if $size;
            $waiting = substr($waiting, 2 + $size);
        }
    }
}
"""
"""OWN SPARE MASK MTU: run in the relay's container. The controller's process has the address `OWN` itself, so
nodes see whom they talk to: the relay gives it up, answers for it on the nodes' network, and carries its
packets over standard input and output, each after its length in two bytes. An empty one says: up.
"""
