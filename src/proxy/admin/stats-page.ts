// Statistics as pages for people: as they are, or those that changed last on top.
import { createHash } from 'node:crypto';
import { type AdminHandler, type AdminResponse, HTML } from './admin-handler.ts';
import { STATS_PARAMS } from './help-texts.ts';
import { commandRows, escapeHtml, PAGE_END, pageStart } from './home-page.ts';
import { PAGE_HEADERS, scriptedPageHeaders } from './page-headers.ts';

const FORM: AdminHandler = {
  path: '/stats',
  help: 'print server stats',
  mutates: false,
  params: STATS_PARAMS,
  handle: () => ({ status: 200, body: '' }),
};

/** `lines`: the text of the statistics. */
export function statsPage(query: URLSearchParams, lines: Iterable<string>): AdminResponse {
  const body = function* (): Generator<string> {
    yield `${pageStart('Heddle Stats')}<table>\n${commandRows(FORM, query)}</table>\n<pre>\n`;
    for (const piece of lines) yield escapeHtml(piece);
    yield `</pre>\n${PAGE_END}`;
  };
  return { status: 200, contentType: HTML, headers: PAGE_HEADERS, body: body() };
}

export function activeStatsPage(query: URLSearchParams): AdminResponse {
  const form = `<table>\n${commandRows(FORM, query)}</table>\n`;
  const table = `<p id='state'></p>\n<table class='stats'><tbody id='stats'></tbody></table>\n`;
  const body = `${pageStart('Heddle Active Stats')}${form}${table}<script>${SCRIPT}</script>\n${PAGE_END}`;
  const digest = createHash('sha256').update(SCRIPT).digest('base64');
  return { status: 200, contentType: HTML, headers: scriptedPageHeaders(digest), body };
}

/** Asks every few seconds and shows the statistics that changed last; texts are never read as markup. */
const SCRIPT = `
'use strict';
const EVERY_MS = 5000, MOST = 100;
const seen = new Map();
let turn = 0;
async function look() {
  const query = new URLSearchParams(location.search);
  query.set('format', 'json');
  query.set('usedonly', '');
  try {
    const { stats = [] } = await (await fetch(location.pathname + '?' + query)).json();
    turn++;
    for (const { name, value } of stats) {
      const known = seen.get(name);
      if (name === undefined) continue;
      if (known === undefined) seen.set(name, { value, turn: 0, changes: 0 });
      else if (known.value !== value) Object.assign(known, { value, turn, changes: known.changes + 1 });
    }
    show();
    document.getElementById('state').textContent = 'Changed last, of ' + seen.size + ':';
  } catch (error) {
    document.getElementById('state').textContent = String(error);
  }
}
function show() {
  const order = [...seen].sort(([a, x], [b, y]) => y.turn - x.turn || y.changes - x.changes || (a < b ? -1 : 1));
  const rows = order.slice(0, MOST).map(([name, { value, changes }]) => {
    const row = document.createElement('tr');
    for (const text of [name, String(value), changes === 0 ? '' : changes + ' changes']) {
      row.appendChild(document.createElement('td')).textContent = text;
    }
    return row;
  });
  document.getElementById('stats').replaceChildren(...rows);
}
look();
setInterval(look, EVERY_MS);
`;
