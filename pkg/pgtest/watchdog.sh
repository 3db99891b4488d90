# Ends a test server when it has no users any more; see doc.go.
# $1: the server's folder; $2: how long to wait for the next user, in seconds;
# file 3: a pipe that users hold open.

# Until the end of the file, which is when no user is left.
users() { while read -r _ <&3; do :; done; }

users
while sleep "$2"; read -r _ <&3; do users; done # someone came meanwhile

rm -f "$1/url" # from here on nobody becomes a user
users          # but someone may have become one just before

# Then the server. One that is missed here ends within a minute, when it finds its files gone.
data=$(cat "$1/data") && {
	read -r pid <"$data/postmaster.pid"
	case $(tr '\0' ' ' <"/proc/$pid/cmdline") in
	*postgres*" -D $data "*)
		kill -INT "$pid"
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			[ -e "$data/postmaster.pid" ] || break
			sleep 1
		done
		;;
	esac
	rm -rf "${data%/data}"
}
rm -rf "$1"
