# Three machines on a bridge, each a network namespace, for docs/control.md; this shell's is 192.0.2.1. Within
# `unshare --net --mount --pid --fork --kill-child --mount-proc sh`, so that all of it ends with that shell.
mkdir -p /run/netns && mount -t tmpfs machines /run/netns
ip link set lo up
ip link add mesh type bridge && ip address add 192.0.2.1/24 dev mesh && ip link set mesh up

# add_machine NAME ADDRESS
add_machine() {
  ip netns add "$1"
  ip link add "to-$1" type veth peer name net0 netns "$1"
  ip link set "to-$1" master mesh up
  ip -n "$1" link set lo up
  ip -n "$1" address add "$2/24" dev net0
  ip -n "$1" link set net0 up
  ip -n "$1" route add default via 192.0.2.1
}

# machine NAME COMMAND...: runs a command there.
machine() {
  place=$1
  shift
  ip netns exec "$place" "$@"
}

# join NAME ADDRESS ACCOUNT LABELS ROLE [OPTIONS]: a token for the machine, and its agent with a proxy, as user 1337.
join() {
  name=$1 address=$2 account=$3 labels=$4 role=$5 own=.heddle/agents/$1
  shift 5
  mkdir -p "$own"
  bin/heddle token --namespace shop --account "$account" >"$own/token"
  cp .heddle/control/root-cert.pem "$own/"
  : >"$own/log"
  chown -R 1337 "$own"
  machine "$name" setpriv --reuid 1337 --regid 1337 --clear-groups env \
    POD_NAME="$name" POD_NAMESPACE=shop SERVICE_ACCOUNT="$account" INSTANCE_IP="$address" \
    ISTIO_METAJSON_LABELS="$labels" ISTIOD_SAN=istiod.istio-system.svc \
    bin/heddle agent proxy "$role" --discovery 192.0.2.1:15012 --root-ca "$own/root-cert.pem" \
    --join-token "$own/token" --uds "$own/uds" --configPath "$own" "$@" >"$own/log" 2>&1 &
  for _ in $(seq 50); do
    machine "$name" curl -sf -m 1 -o .heddle/agents/ready http://127.0.0.1:15021/healthz/ready && return
    sleep 0.2
  done
  echo "$name is not ready: $own/log" >&2
}

mkdir -p .heddle/agents
add_machine entry 192.0.2.10
add_machine reviews-1 192.0.2.11
add_machine reviews-2 192.0.2.12
