// Where our resources differ from a captured istiod's on purpose: which places, and why.

export type IntendedDifference = {
  /** Of the capture, the resource (its type's last word, a space, its name) and the field path. */
  readonly capture: RegExp;
  readonly resource: RegExp;
  readonly path: RegExp;
  readonly reason: string;
};

export const INTENDED: readonly IntendedDifference[] = [
  {
    capture: /^02-/,
    resource: /^Listener 240\.240\.\d+\.\d+_443$|^NameTable $/,
    path: /^$|^table\.(alt|api)\.external\.com\.ips\[0\]$/,
    reason:
      'Hosts without address get one that follows from their name, so that replicas and restarts agree; ' +
      'istiod counts up and writes the number into the status of the ServiceEntry.',
  },
  {
    capture: /^04-/,
    resource: /^RouteConfiguration 80$/,
    path: /\.match\.queryParameters\[[01]\]\./,
    reason:
      "The order of a map: istiod's changes from push to push, ours is that of the object. All of them must match.",
  },
  {
    capture: /^24-/,
    resource: /^ClusterLoadAssignment outbound\|(5000|8080)\|\|v[mn]\.internal$/,
    path: /^endpoints\[\d\]\.(lbEndpoints\[\d\]|loadBalancingWeight)$/,
    reason: 'istiod lists each endpoint once for each address of the ServiceEntry; once is enough.',
  },
  {
    capture: /^34-/,
    resource: /^(Cluster|ClusterLoadAssignment) outbound\|9\d80\|\|ratings\.book\w+\.svc\.cluster\.local$/,
    path: /^transportSocket(Matches)?$|^metadata\.filterMetadata\.istio\.|transport_socket_match$/,
    reason:
      'A BackendTLSPolicy names the service. It is read and complained of as not yet effective: its TLS comes with ' +
      'the other policies of the Gateway API.',
  },
];
