# Runs a PostgreSQL server and ends it when the ledger is gone, however the ledger ended.
#
#   sh -c SCRIPT supervisor LAST REMOVE postgres ARGUMENT...
#
# Standard input is a pipe that the ledger holds open and writes signal names to (INT: fast shutdown,
# QUIT: immediate shutdown). Its end means that the ledger is gone: then LAST is sent.
# REMOVE is a directory to delete in that case when the server has ended, or empty.
# The exit status is the server's.
last=$1 remove=$2
shift 2
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
{
	while read -r signal; do kill -s "$signal" "$server"; done
	# A signal that arrives before the server listens to it is lost, so it is repeated.
	trap 'exit 0' TERM
	while kill -s "$last" "$server"; do sleep 0.1 || sleep 1; done
	exit 0
} <&3 2>/dev/null &
orders=$!
exec 3<&-
wait "$server"
status=$?
kill "$orders" 2>/dev/null
if wait "$orders" 2>/dev/null && [ -n "$remove" ]; then
	rm -rf -- "$remove" # the pipe had ended: the ledger is gone
fi
exit "$status"
