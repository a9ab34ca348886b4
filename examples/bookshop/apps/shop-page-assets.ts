// Style and script of the shop's pages.

export const PAGE_STYLE = `
:root { color-scheme: light dark; --paper: #faf6ee; --ink: #2b2622; --soft: #75695d; --line: #e4dac9; --card: #fffdf8;
  --red: #a8442f; --blue: #2f6f9f; --amber: #b87a14; }
@media (prefers-color-scheme: dark) { :root { --paper: #1c1917; --ink: #ede6da; --soft: #a89c8d; --line: #3a342e;
  --card: #26221f; --red: #d9735c; --blue: #6db0de; --amber: #e3ab4d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; gap: 12px; justify-content: space-between; align-items: center;
  padding: 14px clamp(16px, 5vw, 64px); border-bottom: 1px solid var(--line); }
.name { font: 600 22px Georgia, serif; color: inherit; text-decoration: none; }
main { display: grid; grid-template-columns: minmax(0, 1fr) 320px; gap: 32px 48px; max-width: 1120px; margin: 0 auto;
  padding: 32px clamp(16px, 5vw, 40px); }
.single { grid-template-columns: minmax(0, 1fr); max-width: 760px; }
aside { grid-column: 2; grid-row: 1 / span 2; display: grid; gap: 16px; align-content: start; }
.book { display: flex; gap: 32px; flex-wrap: wrap; }
.cover { width: 184px; flex: none; border-radius: 5px; box-shadow: 0 10px 30px #0003; }
h1, h2 { font-family: Georgia, serif; font-weight: 600; line-height: 1.2; margin: 0 0 4px; }
h1 { font-size: 38px; } h2 { font-size: 24px; margin-bottom: 12px; }
h3 { font-size: 13px; text-transform: uppercase; letter-spacing: .06em; color: var(--soft); margin: 0 0 8px; }
.subtitle { font: italic 18px Georgia, serif; margin: 0; } .by { color: var(--soft); margin: 4px 0 12px; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 2px 16px; margin: 0; font-size: 14px; }
dt { color: var(--soft); } dd { margin: 0; }
.price { font-size: 22px; font-weight: 600; margin: 14px 0; }
button { font: inherit; font-size: 14px; color: inherit; background: none; border: 1px solid var(--line);
  border-radius: 7px; padding: 3px 10px; cursor: pointer; }
button:hover { border-color: var(--soft); }
button.on { background: var(--ink); color: var(--paper); border-color: var(--ink); }
.buy { background: var(--red); border-color: var(--red); color: #fff; font-size: 16px; padding: 8px 26px; }
.buy:disabled { opacity: .4; } .stock { margin-left: 12px; color: var(--soft); }
.pick { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; font-size: 14px; }
.pick span { color: var(--soft); margin-right: 2px; }
blockquote { margin: 0 0 14px; padding: 14px 18px; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
blockquote p { margin: 0; } blockquote footer, .quote footer { color: var(--soft); font-size: 14px; margin-top: 4px; }
.stars { color: var(--amber); letter-spacing: 2px; } .stars i { opacity: .22; }
.version { font: 600 13px system-ui; padding: 2px 10px; border-radius: 99px; color: #fff; vertical-align: middle;
  background: var(--blue); } .version.v2 { background: var(--amber); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px; }
.card p { margin: 8px 0 0; } .quote p { font: italic 17px/1.45 Georgia, serif; margin: 0; }
.problem { color: var(--red); background: color-mix(in srgb, var(--red) 9%, transparent); padding: 8px 12px;
  border-radius: 8px; font-size: 14px; overflow-wrap: anywhere; }
#answers { display: flex; flex-wrap: wrap; gap: 4px; min-height: 36px; align-content: start; }
#answers i { width: 14px; height: 14px; border-radius: 4px; background: var(--blue); }
#answers i.v2 { background: var(--amber); } #answers i.failed { background: var(--red); border-radius: 99px; }
#share { font-size: 14px; color: var(--soft); }
a { color: var(--red); } code, pre { font: 14px ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 12px;
  white-space: pre-wrap; }
@media (max-width: 860px) { main { grid-template-columns: minmax(0, 1fr); } aside { grid-column: 1; grid-row: auto; } }
`;

/** Asks again and again which version of reviews answers, and shows the last of them. */
export const PAGE_SCRIPT = `
const answers = document.getElementById('answers');
const share = document.getElementById('share');
const last = [];
async function look() {
  if (!document.hidden) {
    const reply = await fetch('/api/version').then((it) => it.ok ? it.json() : {}, () => ({}));
    last.push(reply.version || 'failed');
    if (last.length > 64) last.shift();
    const square = (name) => Object.assign(document.createElement('i'), { className: name, title: name });
    answers.replaceChildren(...last.map(square));
    const names = [...new Set(last)].sort();
    share.textContent = names.map((name) => name + ' ' +
      Math.round(100 * last.filter((one) => one === name).length / last.length) + ' %').join(' · ') +
      ' of the last ' + last.length;
  }
  setTimeout(look, 400);
}
look();
`;
