// Every intended difference between Heddle and Envoy, with its reason; an entry that matches nothing fails the run.

export type IntendedDifference = {
  /** Matches `group / case`. */
  readonly cases: RegExp;
  /** Matches the path of the difference in the observation. */
  readonly path: RegExp;
  readonly reason: string;
  /** A race of Envoy's: it differs now and then only. */
  readonly isSometimes?: true;
};

const ANY = /^/;

export const INTENDED_DIFFERENCES: readonly IntendedDifference[] = [
  {
    cases: /^formats elsewhere \/ a value with a line end$/,
    path: ANY,
    reason: 'a value that would split a header is left out; Envoy 1.40 writes it as it is, and more headers with it',
  },
  {
    cases: /^cel rbac \/ checked, false$/,
    path: ANY,
    reason: 'a checked_condition is a condition of the policy, too; Envoy 1.40 leaves it out',
  },
  {
    cases: /^http2 pool \/ /,
    path: /^upstreamHttp2/,
    reason: 'RFC 9113 §5.4.1: an upstream that breaks the rules is told so; Envoy often just closes',
  },
  {
    cases: /^cluster options \/ a socket option that there is not$/,
    path: /^log$/,
    reason:
      'which socket option the system refused is told as the reason of the failure; Envoy has it in its log alone',
  },
  {
    cases: /^grpc web \/ text: (no trailers|a response with a format|an upstream that speaks gRPC-Web)$/,
    path: ANY,
    reason:
      'a text response ends when the upstream ends it, with all its messages; Envoy waits for another one for ever',
  },
  {
    cases: /^grpc over http1 \/ web-h[12]: text: no trailers$/,
    path: ANY,
    reason:
      'a text response ends when the upstream ends it, with all its messages; Envoy waits for another one for ever',
  },
  {
    cases: /^grpc over http1 \/ web-h[12]: text: an answer (that is cut off|of broken messages|of flags)$/,
    path: /^(clients\[0\]\.responses\[0\]\.body|log)$/,
    reason:
      'digits go out as bytes come, of broken messages too; Envoy holds each message until it is whole, loses what ' +
      'is not, and mixes bytes and digits of flags that gRPC does not know',
  },
  {
    cases: /^grpc bridge \/ small: a body beyond the limit/,
    path: ANY,
    reason: 'what must wait as a whole and is larger than the buffer gets 413; Envoy stops reading, and waits for ever',
  },
  {
    cases: /^grpc bridge \/ (upgrade|query): protobuf (with trailers|of no bytes)$/,
    path: /^upstream\.a\[0\]\.body$/,
    reason: 'an upgraded body is a message whatever its end; Envoy sends it without its head',
  },
  {
    cases: /^grpc bridge \/ (upgrade|query): protobuf, (no trailers back|HTTP failure)$/,
    path: ANY,
    reason:
      'only the head of a gRPC message is cut off, and the length with it; Envoy cuts any body and keeps the length',
  },
  {
    cases: /^composite \/ (own|by)-a-chain-that-waits: done/,
    path: /^upstream\.a\[0\]\.headers\.x-ran$/,
    reason: 'a filter of a chain that held the request up is followed by the next; Envoy leaves out the rest',
  },
  {
    cases: /^generated /,
    path: /\.goaways$/,
    reason: 'RFC 9113 §5.4.1: who breaks the protocol is told so with GOAWAY before the close; Envoy often just closes',
    isSometimes: true,
  },
  {
    cases: /^generated /,
    path: /\.trailers\.x-envoy-decompressor-/,
    reason: 'trailers bear the name of the library that wrote them; in Envoy all of a process that of the first used',
    isSometimes: true,
  },
  {
    cases: /^generated .* HEAD$/,
    path: /\.rest$/,
    reason: 'RFC 9112 §6.3: an answer to HEAD has no body; Envoy sends what a script makes of it',
    isSometimes: true,
  },
  {
    cases: /^found by chance \/ again(-lua)?: /,
    path: /^stats\.cluster\.a\.upstream_(cx_total|cx_http1_total|rq_pending_total)$/,
    reason: 'a redirected request goes on the connection that is free now; Envoy dials one first, and leaves it unused',
  },
  {
    cases: /^compressor rest \/ .*route \/brotli/,
    path: /^clients\[0\]\.responses\[0\]\.body$/,
    reason:
      'a response is packed as its content-encoding says; Envoy packs it by the chain’s library and names the route’s',
  },
  {
    cases: /^decompressor gzip \/ Odd\.Name: packed, response$/,
    path: /trailers|^log$/,
    reason: 'trailers are named after the library of the filter; Envoy names all after the one that it used first',
  },
  {
    cases: /^decompressor brotli \/ brotli: (garbage|zeros)/,
    path: ANY,
    reason:
      'a body that is no brotli, or a bomb, is left with the piece that shows it; Envoy reads on at the empty end ' +
      'of a message of HTTP/1, counts once more, and unfolds some of the bomb again',
  },
  {
    cases: /^custom response \/ redirect-[\w-]+: HEAD$/,
    path: ANY,
    reason: 'RFC 9112 §6.3: an answer to HEAD has no body; Envoy forgets, once it asks another route, that it was HEAD',
  },
  {
    cases: /^custom response \/ local-keeps-details: connection refused$/,
    path: /^log$/,
    reason: 'the details are those of the response; Envoy logs memory that it has freed',
    isSometimes: true,
  },
  {
    cases: /^regex rewrites \/ (\(\?:\(a\)\|\(b\)\)\*|\(\|a\)[*+]) /,
    path: /^upstream\.a\[0\]\.line$/,
    reason: 'docs/regex.md: what groups inside repeats hold follows JavaScript, which forgets them in each round',
  },
  // Framing that two implementations may read differently is refused, where Envoy guesses.
  {
    cases: /^smuggling \/ (bare CR in a value|CR CR LF|upstream bare CR)$/,
    path: ANY,
    reason: 'RFC 9112 §2.2: a bare CR makes a message invalid; Envoy removes it',
  },
  {
    cases: /^smuggling \/ (Host twice, (equal|different)|absolute form with two Hosts)$/,
    path: ANY,
    reason: 'RFC 9112 §3.2: a request with two Host lines is answered with 400; Envoy joins them with a comma',
  },
  {
    cases: /^smuggling \/ (chunk longer than its size|chunk ended by LF|chunk extension with quoted CRLF)$/,
    path: ANY,
    reason: 'RFC 9112 §7.1: CRLF follows the data of a chunk; Envoy skips whatever stands there up to a line end',
  },
  {
    cases: /^smuggling \/ chunk extension (without semicolon|with NUL)$/,
    path: ANY,
    reason: 'RFC 9112 §7.1.1: an extension starts with a semicolon and has no control characters; Envoy skips any text',
  },
  {
    cases: /^smuggling \/ (CL|chunk size) 2\^63$/,
    path: ANY,
    reason: 'a length that no body can have is refused at once; Envoy accepts up to 2^64-1',
  },
  {
    cases: /^smuggling \/ upstream (version (1\.2|2\.0)|status (of two digits|000))$/,
    path: ANY,
    reason: 'RFC 9112 §4: a status line has version 1.0 or 1.1 here and three digits from 100; Envoy forwards others',
  },
  {
    cases: /^http1 responses \/ status (99|of four digits)$/,
    path: ANY,
    reason: 'RFC 9110 §15: a status code has three digits from 100; Envoy forwards others',
  },
  {
    cases: /^http1 options \/ http2-settings in connection only$/,
    path: /headers\.http2-settings$/,
    reason: 'a header that Connection names is removed; Envoy forwards HTTP2-Settings when no h2c upgrade goes with it',
  },
  {
    cases: /^http1 requests \/ forbidden trailer fields, trailers on$/,
    path: /trailers\.(host|content-length)$/,
    reason: 'RFC 9110 §6.5.1: a trailer must not carry what frames or routes a message; Envoy forwards it',
  },

  {
    cases: /^smuggling \/ chunk extension of 20 KiB$/,
    path: ANY,
    reason: 'what is thrown away has a limit too; Envoy reads extensions of any length',
  },
  {
    cases: /^http1 requests \/ response before the request is complete, then the rest$/,
    path: /fate$/,
    reason: 'bytes of a request that was answered early are read and dropped, so the client sees FIN and not a reset',
  },

  {
    cases: /^(smuggling \/ chunk (shorter than its size|without line end)|access log \/ log everything: bad request)$/,
    path: /^log$|DOWNSTREAM_WIRE_BYTES_RECEIVED$/,
    reason:
      'body bytes are counted as they come, those of a head when it is whole; Envoy counts at the end of each read',
  },
  {
    cases: /^hcm local replies \/ reply-json bad request$/,
    path: ANY,
    reason: 'the body of a local reply already tells the response flag that the log will; Envoy sets it afterwards',
  },
  {
    cases: /^(hcm timers \/ connection duration with drain timeout, next request|admin \/ answer while failed)$/,
    path: /elapsedMs$|fate$/,
    reason: 'RFC 9112 §9.6: who answers `connection: close` closes then; Envoy waits until the drain timeout',
  },

  // A guard decides before anything behind it hears of the connection.
  {
    cases: /^network rbac denies \//,
    path: /fate$/,
    reason: 'a denied connection is closed when it begins, so what it says afterwards meets a reset; Envoy reads first',
  },
  {
    cases: /^network rbac denies \/ says nothing$/,
    path: ANY,
    reason: 'Envoy decides at the first byte: until then a denied client hears a server that speaks first',
  },
  {
    cases: /^network rbac \/ allowed, says nothing$/,
    path: /^stats\.rules\.rbac\.allowed$/,
    reason: 'who is let in is counted when the connection begins; Envoy counts at the first byte',
  },
  {
    cases: /^network tcp facts \/ denied$/,
    path: ANY,
    reason: 'no upstream is dialled for a connection that is denied; Envoy has one by the time that it decides',
  },
  {
    cases: /^network tcp \/ a name without cluster$/,
    path: /fate$|downstream_cx_rx_bytes_total$/,
    reason: 'the bytes that tls_inspector saw have been read; Envoy only peeks, and closing before it reads is a reset',
  },
  {
    cases: /^cluster policies \/ a copy to a cluster which copies/,
    path: ANY,
    reason: 'its cluster’s policies neither copy nor retry a copy: clusters that copy to each other would never end',
  },
  {
    cases: /^upstream-filters \/ rbac inside composite$/,
    path: ANY,
    reason:
      'a guard that a composite filter behind the router becomes decides; Envoy never asks it, the host is chosen',
  },
  {
    cases: /^network limits \/ switched off$/,
    path: /active_connections$/,
    reason: 'Envoy counts connections down that it did not count up, and shows 2^64 - 1',
  },
  {
    cases: /^forward proxy, mirrors \/ a copy with a body waits$/,
    path: /^(upstream\.b|stats\.cluster\.copies)/,
    reason: 'a copy whose name is still looked up goes when it is found, with its body; Envoy 1.40 loses it',
    isSometimes: true,
  },

  // What belongs to Envoy's own process, or to the machine it runs on.
  {
    cases: /^(routing changes \/ mirror|route odds \/ copy |forward proxy, mirrors \/ )/,
    path: /x-forwarded-for$|async-client/,
    reason: 'Envoy mirrors through an internal client with statistics of its own that appends the machine address',
  },
  {
    cases: /^(upstream-filters \/ a mirror|cluster policies \/ )/,
    path: /x-forwarded-for$|async-client/,
    reason: 'Envoy mirrors through an internal client with statistics of its own that appends the machine address',
  },
  {
    cases: /^admin endpoints \/ a (page of another (origin|site)|name of elsewhere)$/,
    path: /^clients/,
    reason: 'what a web page of elsewhere could send to a loopback address is refused; Envoy does what it says',
  },
  {
    cases: /^admin \/ admin help$/,
    path: ANY,
    reason: 'the list has what Heddle alone can show (/dns), too',
  },
  {
    cases: /^admin \/ admin (server_info|config_dump unknown resource)$/,
    path: ANY,
    reason: 'hot restart does not exist yet, one nosniff header is enough',
  },
  {
    cases: /^admin \/ admin head of ready$/,
    path: /rest$/,
    reason: 'RFC 9110 §9.3.2: the answer to HEAD has no body; Envoy sends one',
  },

  // Features that are refused with a message until they are built.
  {
    cases: /^later /,
    path: /^refused$/,
    reason: 'not built yet: refused with the field path instead of ignored',
  },
  // TLS, where OpenSSL behind Node is not BoringSSL.
  {
    cases: /^tls (clients|sessions|odd) \//,
    path: /tls\.error$/,
    reason: 'certificates are judged when the handshake is over: a client that is refused sees a close and no alert',
  },
  {
    cases: /^tls upstream[^/]* \//,
    path: /^upstreamTls\./,
    reason: 'certificates are judged when the handshake is over: a server that is refused sees a close and no alert',
  },
  {
    cases: /^tls odd \/ \w+: (garbage|a record too long|an alert|application data|a hello that is none|SSL 2)$/,
    path: /^log$|rest$/,
    reason: 'what is no handshake is refused by both; OpenSSL has other words and other alerts for it',
  },
  {
    cases: /^tls agreement \/ (one: (plain RSA|1\.3 CCM only)|one-curve: has it not on 1\.2)$/,
    path: /^log$/,
    reason: 'OpenSSL tells missing groups from missing ciphers less exactly, and says it once',
  },
  {
    cases: /^tls clients \/ required: (sha1|rsa-512 over 1\.2)$/,
    path: ANY,
    reason: 'certificates signed with SHA-1, and RSA keys below 1024 bits, prove nothing; BoringSSL accepts them',
  },
  {
    cases: /^tls odd \/ refusals: (none|plain text)$/,
    path: /^log$/,
    reason: 'a handshake that broke off has agreed on nothing; Envoy shows the version and certificate it began with',
  },
  {
    cases: /^tls log \/ group$/,
    path: /^log$/,
    reason: 'Node does not tell a server the group of the key exchange',
  },
  {
    cases: /^tls log \/ in headers, unsendable/,
    path: /^log$|upstream_(cx|rq)_/,
    reason: 'a request with a field that no message can carry is answered before an upstream is chosen',
  },
  // TLS, by intention.
  {
    cases: /^tls sni \/ \w+: upper case/,
    path: ANY,
    reason: 'RFC 6066 §3: names of servers are compared without regard to case',
  },
  {
    cases: /^tls sni \/ needs-sni: without SNI/,
    path: ANY,
    reason: 'require_sni is obeyed: who names no server is refused; Envoy 1.40 reads the field and lets it be',
  },
  {
    cases: /^tls upstream \/ depth-[01]$/,
    path: ANY,
    reason: 'max_verify_depth is obeyed: Envoy reads it for upstreams, too, and lets it be',
  },
  {
    cases: /^tls sessions \/ TLSv1\.[23]: from (plain to plain-too|mutual to mutual-too)$/,
    path: /isResumed$|tls\.server$|session_reused$/,
    reason: 'sessions belong to what decides trust: chains that trust alike resume each other’s',
  },
  {
    cases: /^tls sessions \/ TLSv1\.2: from no-tickets to no-tickets$/,
    path: /isResumed$|tls\.server$|session_reused$/,
    reason: 'only tickets carry sessions: a table of ids would be one more thing to share between workers',
  },
  {
    cases: /^tls sessions \/ TLSv1\.3: a session that is too old$/,
    path: /isResumed$|tls\.server$|session_reused$/,
    reason: 'session_timeout counts for TLS 1.3 too; BoringSSL gives its tickets a life of their own',
  },
  {
    cases: /^tls sessions \/ TLSv1\.[23]: from untrusted to untrusted$/,
    path: /fail_verify_error$/,
    reason: 'a certificate in a resumed session is judged again, and counted again',
  },
  {
    cases: /^tls odd \/ permissive: no chain/,
    path: /fate$|tls\.error$/,
    reason: 'the bytes that tls_inspector saw have been read; Envoy only peeks, and closing before it reads is a reset',
  },
  {
    cases: /^tls odd \/ inspected: resets in the hello$/,
    path: /^log$/,
    reason: 'each connection is logged, also one that is reset before its first bytes were understood',
  },
  {
    cases: /^tls odd \/ \w+: asks for a close$/,
    path: /^log$/,
    reason: 'whoever asks for a close need not be waited for; Envoy waits for the client until delayed_close_timeout',
  },
  {
    cases: /^hcm growing heads \/ a line end: /,
    path: ANY,
    reason:
      'a formatted value with a line end is left out, and no upstream is dialled for a request that needs it; ' +
      'Envoy 1.40 writes such values into answers, where they make headers of their own',
  },
  // Who the client is.
  {
    cases: /^hcm forwarded \/ .*: IPv6 with a zone$/,
    path: ANY,
    reason: 'a zone of another machine means nothing here, and is no part of an address; Envoy looks it up by name',
  },
  {
    cases: /^hcm ignored upgrades \/ .* among other connection options$/,
    path: /headers\.http2-settings$/,
    reason: 'a header that Connection names is removed; Envoy forwards HTTP2-Settings when no h2c upgrade goes with it',
  },
  // HTTP/2.
  {
    cases: /^http2 (exchange|heads|streams|options) \//,
    path: /(goaways|\.fate)$|^upstreamHttp2$/,
    reason: 'RFC 9113 §5.4.1: who breaks the protocol is told so with GOAWAY before the close; Envoy often just closes',
  },
  {
    cases: /^(http2 options|tls agreement|smuggling) \/ .*(codec|preface|speaks HTTP\/1|alpn: both|method PRI)/,
    path: /\.rest$/,
    reason: 'SETTINGS and GOAWAY go to whoever begins HTTP/2 and does not speak it; Envoy says nothing',
  },
  {
    cases: /^http2 options \/ settings of a/,
    path: /settings\.INITIAL_WINDOW_SIZE$/,
    reason: 'a stream begins with a window of 256 KiB that grows to Envoy’s 16 MiB while it is read',
  },
  {
    cases: /^http2 heads \/ request(, tolerant)?: http2-settings$/,
    path: /headers\.http2-settings$/,
    reason: 'RFC 9113 §8.2.2: a field about the connection goes no further',
  },
  {
    cases: /^http2 heads \/ request(, tolerant)?: te: Trailers$/,
    path: /headers\.te$/,
    reason: 'codings are compared without regard to case; Envoy drops what is not exactly `trailers`',
  },
  {
    cases: /^http2 heads \/ (main|tolerant): content-length and host in trailers$/,
    path: /trailers\.(host|content-length)$/,
    reason: 'RFC 9110 §6.5.1: a trailer must not carry what frames or routes a message; Envoy forwards it',
  },
  {
    cases: /^http2 heads \/ one field of 70 KiB$/,
    path: ANY,
    reason: 'a field that is too long ends its stream like a head that is too long; Envoy closes the connection',
  },
  {
    cases: /^http2 heads \/ answer: (HEADERS|DATA) behind END_STREAM$/,
    path: /upstream_cx_protocol_error$/,
    reason: 'RFC 9113 §5.1: frames behind END_STREAM are errors; Envoy ignores them on streams that it has forgotten',
  },
  {
    cases: /^http2 streams \/ (a lower stream number|DATA on a closed stream)$/,
    path: ANY,
    reason: 'RFC 9113 §5.1: frames on closed streams are errors of the connection; Envoy ignores them',
  },
  {
    cases: /^http2 streams \/ (HEADERS behind the end|credit of 0 for a stream|credit beyond 2\^31 for a stream)$/,
    path: ANY,
    reason: 'RFC 9113 §5.1, §6.9: an error of one stream ends that stream; Envoy closes the connection',
  },
  {
    cases: /^http2 options \/ more streams than max_concurrent_streams$/,
    path: ANY,
    reason:
      'RFC 9113 §5.1.2: a stream too many is refused; Envoy closes the connection of a client that knew the limit',
  },
  {
    cases: /^http2 options \/ obs-text refused/,
    path: ANY,
    reason: 'disallow_obs_text is obeyed; Envoy’s codec reads the field and lets it be',
  },
  {
    cases: /^http2 (options \/ empty CONTINUATION|times \/ request_headers_timeout)$/,
    path: ANY,
    reason: 'a head that never ends is no request yet, so none is counted or logged',
  },
  {
    cases: /^http2 streams \/ early answer, then NO_ERROR$/,
    path: /cluster\.h2\.http2\.rx_reset$/,
    reason: 'an early answer ends its stream, so the RST_STREAM behind it says nothing more',
    isSometimes: true,
  },
  {
    cases: /^http2 streams \/ a client that does not read one stream reads another$/,
    path: /^log$|downstream_(cx_destroy_remote_active_rq|rq_rx_reset)$/,
    reason:
      'an exchange is over when its answer is given to the codec; Envoy waits until the client’s window lets it go',
  },
  {
    cases: /^http2 options \/ (the preface in pieces|half a preface)$/,
    path: ANY,
    reason: 'AUTO waits until it is clear what a client speaks; Envoy takes a preface in pieces for HTTP/1',
  },
  {
    cases: /^http2 options \/ TLS, upstream takes/,
    path: /upstream_cx_total$/,
    reason: 'a connection is counted once; Envoy counts it again when it knows its protocol',
  },
  // Relayed connections.
  {
    cases: /^websocket \/ h2 to h1: the client ends/,
    path: ANY,
    reason: 'RFC 8441 §5: END_STREAM stands for FIN, which the upstream gets; Envoy says nothing to one of HTTP/1',
  },
  {
    cases:
      /^(tunnel http2 ends \/ (without an authority|with a path)|websocket places \/ h2: not allowed by the codec)$/,
    path: /goaways$|goaway_sent$|fate$/,
    reason: 'RFC 9113 §5.4.1: GOAWAY tells why the connection ends; Envoy ends it without a word',
  },
  {
    cases: /^connect \/ client gone before the answer$/,
    path: /^stats\.cluster\.full\.upstream_cx_connect_(fail|timeout)$/,
    reason: 'a dial that nobody waits for any more is given up; Envoy lets it run into its timeout',
  },
  {
    cases: /^tcp_proxy \/ the last end is the upstream’s, which has not read yet$/,
    path: ANY,
    reason: 'what a client sent before its FIN is delivered; Envoy drops it when the upstream is the last to end',
  },
  {
    cases: /^tcp_proxy \/ a filter refuses$/,
    path: ANY,
    reason: 'the rbac filter judges before the upstream is dialled; Envoy dials first and judges the first bytes',
  },
  {
    cases: /^forward proxy, sni \/ the cluster looks up itself, port 80$/,
    path: ANY,
    reason:
      'tcp_proxy waits for a cluster that looks the name up; in Envoy 1.40 the first connection fails, and later ' +
      'ones find the host',
  },
];
