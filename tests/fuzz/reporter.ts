/**
 * The program that random commands run: it writes into a file what it sees of itself, in Perl,
 * which every Debian has. Nothing is opened before the descriptors were listed.
 *
 * @module
 */

/** The script. Arguments: the file to write to, the descriptors to read, comma-separated; more. */
export const REPORTER: string = String.raw`
use strict;
my ($to, $pipes, @rest) = @ARGV;
my @lines;
my %fds;
if (opendir(my $dir, "/proc/self/fd")) {
  for my $fd (sort { $a <=> $b } grep { /^\d+$/ } readdir $dir) {
    my $link = readlink("/proc/self/fd/$fd");
    next if !defined $link || $link =~ m{^/proc/\d+/fd$};
    $fds{$fd} = $link;
  }
  closedir $dir;
}
sub slurp {
  open(my $file, "<:raw", $_[0]) or return "? $!";
  local $/;
  my $text = <$file>;
  return defined $text ? $text : "";
}
for my $fd (sort { $a <=> $b } keys %fds) {
  my ($flags) = slurp("/proc/self/fdinfo/$fd") =~ /^flags:\s*(\d+)/m;
  push @lines, "fd $fd $flags $fds{$fd}";
}
push @lines, "cmdline " . unpack("H*", slurp("/proc/self/cmdline"));
push @lines, "environ " . unpack("H*", slurp("/proc/self/environ"));
push @lines, "cwd " . (readlink("/proc/self/cwd") // "?");
push @lines, "root " . (readlink("/proc/self/root") // "?");
push @lines, "exe " . (readlink("/proc/self/exe") // "?");
my $status = slurp("/proc/self/status");
for (qw(Umask Uid Gid Groups NoNewPrivs Seccomp SigPnd ShdPnd SigBlk SigIgn SigCgt
        CapInh CapPrm CapEff CapBnd CapAmb THP_enabled Cpus_allowed)) {
  push @lines, "$_ $1" if $status =~ /^$_:[ \t]*(.*?)[ \t]*$/m;
}
push @lines, map { "limit $_" } grep { /^Max/ } split /\n/, slurp("/proc/self/limits");
my $stat = slurp("/proc/self/stat");
$stat =~ s/^.*\) //s;
my @stat = split / /, $stat;
push @lines, "leads group " . ($stat[2] == $$ ? 1 : 0);
push @lines, "leads session " . ($stat[3] == $$ ? 1 : 0);
push @lines, "terminal $stat[4]", "nice $stat[16]", "policy $stat[38]";
push @lines, "oom " . slurp("/proc/self/oom_score_adj");
push @lines, "slack " . slurp("/proc/self/timerslack_ns");
for my $fd (split /,/, $pipes) {
  if (open(my $file, "<&=:raw", $fd)) {
    local $/;
    my $text = <$file>;
    push @lines, "read $fd " . length($text // "") . " " . unpack("%32C*", $text // "");
  } else {
    push @lines, "read $fd ? $!";
  }
}
my $input;
{ local $/; binmode STDIN; $input = <STDIN>; }
push @lines, "input " . length($input // "") . " " . unpack("%32C*", $input // "");
if (open(my $out, ">>:raw", $to)) {
  print $out map { my $line = $_; $line =~ s/\n+$//; "$line\n" } @lines;
  close $out;
}
$| = 1;
print STDOUT "to standard output\n" x 3;
print STDERR "to standard error\n";
`;
