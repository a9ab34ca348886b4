# Rounds of psql: it asks for TLS first, which the server declines, as PostgreSQL's clients do.
call() {
  PGCONNECT_TIMEOUT=5 psql -h "${POSTGRES_HOST:-postgres}" -p "${POSTGRES_PORT:-5432}" -U mesh -d postgres -Atqc "$1" 2>&1
}
n=0
while sleep "${PAUSE:-1}"; do
  n=$((n + 1))
  call 'create table if not exists rounds (n int, text text)' >/dev/null
  call "insert into rounds values ($n, repeat('x', 500000))" >/dev/null
  count=$(call "select count(*) from rounds where n = $n")
  length=$(call "select text from rounds where n = $n" | tr -d '\n' | wc -c)
  if [ "$count" = 1 ] && [ "$length" = 500000 ]; then echo "ok $n"; else echo "failed $n: count '$count', length $length"; fi
  [ "$n" -lt 100 ] || exit 0
done
