# raw-perl: a worker in core Perl, written from proto/README.md
# and nothing else, so that the book is known to be enough. POST echoes
# bodies of any size in pieces under credit; the command says how often it was
# asked, over reloads, and with which greeting.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use IO::Socket::UNIX;

my $socket = IO::Socket::UNIX->new(Peer => $ENV{SUPD_SOCKET})
	or die "cannot connect: $!\n";
my $greeting = pack("H*", "0053500000100000");

# MessagePack. Perl does not tell numbers from texts, so those that are not
# texts come in a box: int, bin, bool.
sub int_ { bless \(my $n = shift), "Int" }
sub bin_ { bless \(my $b = shift), "Bin" }
sub bool { bless \(my $b = shift), "Bool" }

sub encode {
	my $v = shift;
	return "\xc0" unless defined $v;
	my $type = ref $v;
	return pack("CN/a*", 0xdb, $v) if !$type;
	return pack("CQ>", 0xcf, $$v) if $type eq "Int";
	return pack("CN/a*", 0xc6, $$v) if $type eq "Bin";
	return $$v ? "\xc3" : "\xc2" if $type eq "Bool";
	return pack("CN", 0xdd, scalar @$v) . join "", map { encode($_) } @$v
		if $type eq "ARRAY";
	return pack("CN", 0xdf, scalar keys %$v) .
		join "", map { encode($_) . encode($v->{$_}) } sort keys %$v;
}

# Takes the value at the front of $$data.
sub take { substr ${$_[0]}, 0, $_[1], "" }
sub number { my ($data, $size, $form) = @_; unpack $form, take($data, $size) }

sub decode {
	my $data = shift;
	my $tag = number($data, 1, "C");
	return $tag if $tag < 0x80;
	return map_($data, $tag & 15) if $tag < 0x90;
	return list($data, $tag & 15) if $tag < 0xa0;
	return take($data, $tag & 31) if $tag < 0xc0;
	return $tag - 256 if $tag >= 0xe0;
	return undef if $tag == 0xc0;
	return $tag == 0xc3 if $tag == 0xc2 || $tag == 0xc3;
	my ($size, $form) = @{{
		0xca => [4, "f>"], 0xcb => [8, "d>"], 0xcc => [1, "C"],
		0xcd => [2, "n"], 0xce => [4, "N"], 0xcf => [8, "Q>"],
		0xd0 => [1, "c"], 0xd1 => [2, "s>"], 0xd2 => [4, "l>"],
		0xd3 => [8, "q>"], 0xc4 => [1, "C"], 0xc5 => [2, "n"],
		0xc6 => [4, "N"], 0xd9 => [1, "C"], 0xda => [2, "n"],
		0xdb => [4, "N"], 0xdc => [2, "n"], 0xdd => [4, "N"],
		0xde => [2, "n"], 0xdf => [4, "N"]}->{$tag}
		// die sprintf "MessagePack tag %02x\n", $tag};
	my $n = number($data, $size, $form);
	return $n if $tag >= 0xca && $tag <= 0xd3;
	return list($data, $n) if $tag == 0xdc || $tag == 0xdd;
	return map_($data, $n) if $tag >= 0xde;
	return take($data, $n);
}
sub list { my ($d, $n) = @_; [map { scalar decode($d) } 1 .. $n] }
sub map_ { my ($d, $n) = @_; my %m; for (1 .. $n) {
	my $k = decode($d); $m{$k} = decode($d) } \%m }

# The link.
sub exactly {
	my $size = shift;
	my $data = "";
	while (length $data < $size) {
		my $n = sysread $socket, $data, $size - length $data,
			length $data;
		exit 0 unless $n;    # supd closed it: the normal end
	}
	return $data;
}

sub send_ {
	my $payload = join "", map { encode($_) } @_;
	my $frame = "\x01" . pack("Q>", length $payload) . $payload;
	while (length $frame) {
		my $n = syswrite $socket, $frame;
		exit 0 unless defined $n;
		substr $frame, 0, $n, "";
	}
}

# Bodies that come in pieces are sent back as they come: what arrived is
# credited when it could be sent, so that nothing piles up here.
my (%stream, $settings);
my $count = 0;    # is handed on at a reload

sub push_out {
	my ($id) = @_;
	my $s = $stream{$id};
	while ($s->{credit} > 0 && length $s->{waiting}) {
		my $most = $s->{credit} < 32768 ? $s->{credit} : 32768;
		my $piece = substr $s->{waiting}, 0, $most, "";
		$s->{credit} -= length $piece;
		send_([int_(2), "chunk", [int_($id), bin_($piece), bool(1)]],
			[int_(2), "credit", [int_($id), int_(length $piece)]]);
	}
	return unless $s->{over} && !length $s->{waiting};
	send_([int_(2), "chunk", [int_($id), bin_(""), bool(0)]]);
	delete $stream{$id};
}

sub http {
	my ($id, $method, $params, $body, $more) = @_;
	my $type = ["Content-Type", bin_("text/plain")];
	if ($more) {
		$stream{$id} = {credit => 262144, waiting => $body};
		send_([int_(1), int_($id), undef,
			[int_(200), [$type], bin_(""), bool(1)]]);
		push_out($id);
		return;
	}
	$body = "perl $params->{name} generation $ENV{SUPD_GENERATION} pid $$\n"
		if $method eq "GET";
	send_([int_(1), int_($id), undef,
		[int_(200), [$type], bin_($body), bool(0)]]);
}

# It fits into one piece, always.
sub import_ {
	my ($id, $version, $blob, $more, $sum) = @_;
	my $good = $version == 2 && !$more && $sum eq sha256_hex($blob);
	$count = $blob if $good;
	send_([int_(1), int_($id),
		$good ? undef : ["failed", "not my state"], undef]);
}

sub request {
	my ($id, $name, $p) = @_;
	if ($name eq "http") {
		http($id, $p->[1], $p->[3], $p->[6], $p->[7]);
	} elsif ($name eq "tool") {
		send_([int_(1), int_($id), undef, $p->[1]]);
	} elsif ($name eq "command") {
		$count++;
		send_([int_(2), "emit", ["perl.asked", int_($count)]],
			[int_(1), int_($id), undef,
				"$settings->{greeting} $count"]);
	} elsif ($name eq "export") {
		send_([int_(1), int_($id), undef, [int_(2), bin_($count),
			bool(0), sha256_hex($count)]]);
	} elsif ($name eq "import") {
		import_($id, @$p);
	} elsif ($name eq "configure" && $p->[0]{greeting}) {
		$settings = $p->[0];
		send_([int_(1), int_($id), undef, undef]);
	} elsif ($name eq "configure") {
		send_([int_(1), int_($id), ["failed", "no greeting"], undef]);
	} elsif ($name =~ /^(?:ping|health|probe)$/) {
		send_([int_(1), int_($id), undef, undef]);
	} else {
		send_([int_(1), int_($id), ["not_found", "no $name"], undef]);
	}
}

sub notification {
	my ($name, $p) = @_;
	my $s = @$p ? $stream{$p->[0]} : undef;
	if ($name eq "drain") {
		send_([int_(2), "drained", []]);
	} elsif ($s && $name eq "chunk") {
		$s->{waiting} .= $p->[1];
		$s->{over} = !$p->[2];
		push_out($p->[0]);
	} elsif ($s && $name eq "credit") {
		$s->{credit} += $p->[1];
		push_out($p->[0]);
	} elsif ($s && $name eq "cancel") {
		$s->{waiting} = "";
		$s->{over} = 1;
		push_out($p->[0]);
	}
}

sub response {
	my ($id, $error, $result) = @_;
	die "refused: @$error\n" if $error;
	return if $id != 1;
	$settings = $result->[2];
	send_([int_(0), int_(2), "ready", ["1.0.0", [
		{kind => "http", method => "GET", path => "/perl/{name}"},
		{kind => "http", method => "POST", path => "/perl/{name}"},
		{kind => "command", name => "perl"},
		{kind => "tool", name => "perl"}]]]);
}

syswrite $socket, $greeting;
exactly(8) eq $greeting or die "not pair0\n";
send_([int_(0), int_(1), "hello",
	[int_($ENV{SUPD_PROTOCOL}), $ENV{SUPD_NONCE}, "raw-perl/1"]]);
while (1) {
	my ($kind, $size) = unpack "CQ>", exactly(9);
	my $data = exactly($size);
	while (length $data) {
		my $m = decode(\$data);
		my $type = shift @$m;
		$type == 0 ? request(@$m)
			: $type == 1 ? response(@$m)
			: notification(@$m);
	}
}
