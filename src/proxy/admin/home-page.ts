// The front page of the admin interface: every endpoint with a form for its parameters. Loaded when it is asked for.
import type { AdminHandler, AdminParam } from './admin-handler.ts';

const STYLE = `
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; color: #1c2128; }
h1 { font-size: 1.3em; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .35em .6em; }
tbody.command { border-top: 1px solid #d0d7de; }
td:first-child { width: 18em; }
form { margin: 0; }
button { font: inherit; cursor: pointer; }
button.link { background: none; border: 0; padding: 0; color: #0a5bb5; text-decoration: underline; }
td.option { text-align: right; }
table.stats td { border-top: 1px solid #e4e8ec; padding: .15em .6em; font-family: ui-monospace, monospace; }
@media (prefers-color-scheme: dark) { body { background: #14181d; color: #d9dee4; } button.link { color: #79b8ff; } }
`;

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll("'", '&#39;')
    .replaceAll('"', '&quot;');
}

export function pageStart(title: string): string {
  const head = `<meta charset="utf-8">\n<title>${escapeHtml(title)}</title>\n<style>${STYLE}</style>`;
  return `<!DOCTYPE html>\n<html lang='en'>\n<head>\n${head}\n</head>\n<body>\n<h1>${escapeHtml(title)}</h1>\n`;
}

export const PAGE_END = '</body>\n</html>\n';

export function* homePage(handlers: readonly AdminHandler[]): Generator<string> {
  yield pageStart('Heddle Admin');
  yield `<table>\n<thead><tr><th>Command</th><th>Description</th></tr></thead>\n`;
  for (const handler of handlers) if (handler.path !== '/') yield commandRows(handler);
  yield `</table>\n${PAGE_END}`;
}

/** `given`: values to show in the form, as those of the request that made the page. */
export function commandRows({ path, help, mutates, params = [] }: AdminHandler, given?: URLSearchParams): string {
  // Without the slash: the page may stand behind a prefix.
  const target = escapeHtml(path.slice(1));
  const method = mutates ? 'post' : 'get';
  const plain = !mutates && params.length === 0;
  const button = `<button${mutates ? '' : ` class='link'`}>${target}</button>`;
  const command = plain
    ? `<a href='${target}'>${target}</a>`
    : `<form action='${target}' method='${method}' id='${target}'>${button}</form>`;
  let rows = `<tbody class='command'>\n<tr><td>${command}</td><td>${escapeHtml(help)}</td></tr>\n`;
  for (const param of params) {
    const id = `${target}-${escapeHtml(param.name)}`;
    const label = `<label for='${id}'>${escapeHtml(param.help)}</label>`;
    const input = inputOf(param, id, target, given?.get(param.name) ?? null);
    rows += `<tr><td class='option'>${input}</td><td>${label}</td></tr>\n`;
  }
  return `${rows}</tbody>\n`;
}

function inputOf({ name, kind, choices }: AdminParam, id: string, form: string, given: string | null): string {
  const common = `name='${escapeHtml(name)}' id='${id}' form='${form}'`;
  if (choices === undefined) {
    if (kind === 'flag') return `<input type='checkbox' ${common}${given === null ? '' : ' checked'}>`;
    return `<input type='text' ${common} value='${escapeHtml(given ?? '')}'>`;
  }
  const options = choices.map((choice) => {
    const text = escapeHtml(choice);
    return `<option value='${text}'${choice === given ? ' selected' : ''}>${text}</option>`;
  });
  return `<select ${common}>${options.join('')}</select>`;
}
