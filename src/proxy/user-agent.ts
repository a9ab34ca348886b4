// What a proxy calls itself in its node.

export function userAgent(version: string) {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  return {
    user_agent_name: 'heddle',
    user_agent_build_version: { version: { major_number: major, minor_number: minor, patch } },
  };
}
