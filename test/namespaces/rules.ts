// The netfilter rules of the tests, as a mesh has them: ports 7000-7009 of far are redirected on their way out,
// 8000-8009 of home on their way in, and 9000-9009 of home go to a transparent listener, the client's address kept.
import type { Lab } from './lab.ts';

export const OUTBOUND_PORT = 15001;
export const INBOUND_PORT = 15006;
export const TRANSPARENT_PORT = 15007;
/** SO_MARK of the proxy's connections to elsewhere, which are not redirected again. */
export const OUTBOUND_MARK = 1338;
/** SO_MARK of connections with foreign addresses on this machine: they stay on it, as do the answers to them. */
export const LOCAL_MARK = 1337;

const RULES = `
table inet mesh {
  chain redirect_out {
    type nat hook output priority -100;
    meta mark ${OUTBOUND_MARK} return
    tcp dport 7000-7009 redirect to :${OUTBOUND_PORT}
  }
  chain redirect_in {
    type nat hook prerouting priority -100;
    tcp dport 8000-8009 redirect to :${INBOUND_PORT}
  }
  chain transparent_in {
    type filter hook prerouting priority mangle;
    meta mark ${LOCAL_MARK} ct mark set ${LOCAL_MARK}
    meta mark ${LOCAL_MARK} return
    iif lo return
    ct direction original tcp dport 9000-9009 meta mark set ${LOCAL_MARK} tproxy to :${TRANSPARENT_PORT} accept
    meta l4proto tcp socket transparent 1 meta mark set ${LOCAL_MARK} accept
  }
  chain replies_to_the_proxy {
    type route hook output priority mangle;
    ct direction reply ct mark ${LOCAL_MARK} meta mark set ${LOCAL_MARK}
  }
}
`;

export function loadRules(lab: Lab): void {
  lab.home.nft(RULES);
  for (const family of ['-4', '-6']) {
    lab.home.command('ip', [family, 'rule', 'add', 'fwmark', String(LOCAL_MARK), 'lookup', '133']);
    lab.home.command('ip', [family, 'route', 'add', 'local', 'default', 'dev', 'lo', 'table', '133']);
  }
}
