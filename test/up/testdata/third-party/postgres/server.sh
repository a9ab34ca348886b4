# A new cluster in a directory of its own; trust, because only the mesh reaches it.
PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
# It refuses to run as root.
[ "$(id -u)" != 0 ] || exec setpriv --reuid postgres --regid postgres --clear-groups sh "$0"
data=$(mktemp -d)
server=
trap 'exit 0' TERM INT
trap '[ -z "$server" ] || { kill -INT "$server"; wait "$server"; }; rm -rf "$data"' EXIT
initdb -D "$data" -U mesh -A trust -N --no-locale -E UTF8 >"$data.log" 2>&1 || {
  cat "$data.log" >&2
  rm -f "$data.log"
  exit 1
}
rm -f "$data.log"
# A proxy comes from another address than 127.0.0.1.
echo 'host all all all trust' >>"$data/pg_hba.conf"
postgres -D "$data" -c listen_addresses="$HOST" -c port="$PORT" -c unix_socket_directories= -c fsync=off &
server=$!
wait "$server"
