# Rounds of requests with curl; a round that fails says what came.
n=0
while sleep "${PAUSE:-1}"; do
  n=$((n + 1))
  url=${HTTPBIN_URL:-http://httpbin:8000}
  sum=$(curl -sS -m 5 "$url/bytes/100000?seed=$n" | wc -c)
  echoed=$(curl -sS -m 5 -d "round=$n" "$url/post" | tr -d ' \n' | grep -o "\"round\":\[\"$n\"\]")
  code=$(curl -sS -m 5 -o /dev/null -w '%{http_code}' "$url/status/418")
  chunks=$(curl -sS -m 5 "$url/stream/20" | wc -l)
  if [ "$sum" = 100000 ] && [ "$echoed" = "\"round\":[\"$n\"]" ] && [ "$code" = 418 ] && [ "$chunks" = 20 ]; then
    echo "ok $n"
  else
    echo "failed $n: bytes $sum, echo '$echoed', status $code, lines $chunks"
  fi
done
