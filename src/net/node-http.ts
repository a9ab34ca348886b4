// Node's HTTP/1, as its own modules have it.
import type * as Http from 'node:http';

/**
 * An import of node:http reads all that it exports, some of which makes the runtime load a whole client of HTTP and
 * WebSockets in that moment: 12 MB. Asked like this it does not, and is loaded when somebody needs it at all.
 */
export function nodeHttp(): typeof Http {
  return process.getBuiltinModule('node:http');
}
