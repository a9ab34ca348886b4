# A new cluster in a directory of its own; trust, because only the mesh reaches it.
PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
data=$(mktemp -d)
trap 'kill -INT "$server" 2>/dev/null; wait "$server"; rm -rf "$data"' EXIT
trap 'exit 0' TERM INT
initdb -D "$data" -U mesh -A trust -N --no-locale -E UTF8 >"$data.log" 2>&1 || { cat "$data.log" >&2; rm -f "$data.log"; exit 1; }
rm -f "$data.log"
postgres -D "$data" -c listen_addresses="$HOST" -c port="$PORT" -c unix_socket_directories= -c fsync=off &
server=$!
wait "$server"
