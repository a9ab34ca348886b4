# Rounds of commands with redis-cli: a value of 1 MiB there and back, and a thousand commands in one pipeline.
call() {
  redis-cli -h "${REDIS_HOST:-redis}" -p "${REDIS_PORT:-6379}" "$@"
}
big=$(head -c 1048576 /dev/zero | tr '\0' x)
n=0
while sleep "${PAUSE:-1}"; do
  n=$((n + 1))
  pong=$(call PING 2>&1)
  stored=$(printf '%s' "$big" | call -x SET big 2>&1)
  length=$(call GET big 2>&1 | tr -d '\n' | wc -c)
  replies=$(seq 1000 | sed 's/.*/INCR count/' | call 2>&1 | wc -l)
  if [ "$pong" = PONG ] && [ "$stored" = OK ] && [ "$length" = 1048576 ] && [ "$replies" = 1000 ]; then
    echo "ok $n"
  else
    echo "failed $n: ping '$pong', set '$stored', length $length, replies $replies"
  fi
done
