// The shop's pages as HTML. Whatever a service said is escaped.
import { PAGE_SCRIPT, PAGE_STYLE } from './shop-page-assets.ts';

/** What a service said, or why there is nothing. */
export type Part<Value> = { readonly value?: Value; readonly problem?: string };

export type Page = {
  /** '' for nobody who is known. */
  readonly user: string;
  readonly details: Part<{
    readonly title: string;
    readonly subtitle: string;
    readonly author: string;
    readonly year: number;
    readonly pages: number;
    readonly price: string;
    readonly isbn: string;
    readonly failEvery: number;
  }>;
  readonly reviews: Part<{
    readonly version: string;
    readonly note?: string;
    readonly reviews: readonly { readonly reviewer: string; readonly text: string; readonly stars?: number }[];
  }>;
  readonly stock: Part<number>;
  readonly quote: Part<{ readonly text: string; readonly author: string }>;
};

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const safe = (text: unknown): string => String(text).replace(/[&<>"']/g, (one) => ENTITIES[one] ?? one);

function frame(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${safe(title)}</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath
 fill='%23a8442f' d='M3 1h9a1 1 0 0 1 1 1v13H4a2 2 0 0 1-2-2V2a1 1 0 0 1 1-1z'/%3E%3C/svg%3E">
<style>${PAGE_STYLE}</style>
</head>
<body>
${body}
</body>
</html>
`;
}

export function shopPage(page: Page): string {
  const book = page.details.value;
  return frame(
    book === undefined ? 'Bookshop' : `${book.title} · Bookshop`,
    `<header><a class="name" href="/">Bookshop</a>${signInForm(page.user)}</header>
<main>
<section class="book">${cover()}<div>${details(page)}${stock(page)}</div></section>
<section class="reviews">${reviews(page)}</section>
<aside>${quote(page)}${behind(page)}</aside>
</main>
<script>${PAGE_SCRIPT}</script>`,
  );
}

function signInForm(user: string): string {
  const users = ['', 'tester', 'snail'].map((name) => {
    const pressed = name === user ? ' class="on"' : '';
    return `<button name="user" value="${name}"${pressed}>${name || 'nobody'}</button>`;
  });
  return `<form method="post" action="/sign-in" class="pick"><span>signed in as</span>${users.join('')}</form>`;
}

function details({ details: { value, problem } }: Page): string {
  if (value === undefined) return missing('details', problem);
  return `<h1>${safe(value.title)}</h1>
<p class="subtitle">${safe(value.subtitle)}</p>
<p class="by">${safe(value.author)}, ${safe(value.year)}</p>
<dl><dt>Pages</dt><dd>${safe(value.pages)}</dd><dt>ISBN</dt><dd>${safe(value.isbn)}</dd></dl>
<p class="price">€ ${safe(value.price)}</p>`;
}

function stock({ stock: { value, problem } }: Page): string {
  if (value === undefined) return missing('stock', problem);
  const words = value === 0 ? 'sold out' : `${value} in stock`;
  const disabled = value === 0 ? ' disabled' : '';
  return `<form method="post" action="/buy"><button class="buy"${disabled}>Buy</button>
<span class="stock">${words}</span></form>`;
}

function reviews({ reviews: { value, problem } }: Page): string {
  if (value === undefined) return `<h2>Reviews</h2>${missing('reviews', problem)}`;
  const all = value.reviews.map(
    ({ reviewer, text, stars }) => `<blockquote>${starsOf(stars)}<p>${safe(text)}</p>
<footer>${safe(reviewer)}</footer></blockquote>`,
  );
  const note = value.note === undefined ? '' : `<p class="problem">${safe(value.note)}</p>`;
  return `<h2>Reviews <span class="version ${safe(value.version)}">reviews ${safe(value.version)}</span></h2>
${all.join('')}${note}`;
}

function starsOf(stars: number | undefined): string {
  if (stars === undefined) return '';
  const given = Math.min(5, Math.max(0, Math.floor(stars)));
  return `<div class="stars" role="img" aria-label="${given} of 5 stars">
${'★'.repeat(given)}<i>${'★'.repeat(5 - given)}</i></div>`;
}

function quote({ quote: { value, problem } }: Page): string {
  if (value === undefined) return `<div class="card">${missing('quotes.example.com', problem)}</div>`;
  return `<div class="card quote"><h3>Quote of the day</h3><p>“${safe(value.text)}”</p>
<footer>${safe(value.author)} <small>from quotes.example.com</small></footer></div>`;
}

/** What a customer would not see: who answers, and what one can do to the services. */
function behind({ details: { value } }: Page): string {
  const choices = [
    [0, 'never'],
    [2, 'every 2nd time'],
    [1, 'always'],
  ].map(([every, words]) => {
    const pressed = every === value?.failEvery ? ' class="on"' : '';
    return `<button name="every" value="${every}"${pressed}>${words}</button>`;
  });
  return `<div class="card"><h3>Who answers for reviews</h3>
<div id="answers" aria-label="versions of the last answers"></div><p id="share"></p></div>
<div class="card"><h3>Behind the counter</h3>
<form method="post" action="/fail-every" class="pick"><span>details fails</span>${choices.join('')}</form>
<p><a href="/admin">All orders</a> · <a href="/partner">A partner’s offer</a></p></div>`;
}

function missing(what: string, problem: string | undefined): string {
  return `<p class="problem"><b>${safe(what)}</b> cannot be had: ${safe(problem)}</p>`;
}

export function deniedPage(title: string, url: string, words: string): string {
  return frame(
    `${title} · Bookshop`,
    `<header><a class="name" href="/">Bookshop</a></header>
<main class="single"><div class="card"><h3>${safe(title)}</h3>
<p>The shop asked <code>${safe(url)}</code>, and this came:</p>
<pre>${safe(words)}</pre><p><a href="/">Back</a></p></div></main>`,
  );
}

/** A book's cover: threads on a loom. */
function cover(): string {
  const threads = Array.from({ length: 13 }, (_, i) => {
    const x = 26 + i * 11;
    const sway = i % 2 === 0 ? 8 : -8;
    return `<path d="M${x} 92 C${x + sway} 125 ${x - sway} 160 ${x} 196" />`;
  });
  const weft = Array.from({ length: 7 }, (_, i) => `<path d="M20 ${104 + i * 14} H164" stroke-opacity=".45" />`);
  return `<svg class="cover" viewBox="0 0 184 260" role="img" aria-label="cover">
<rect width="184" height="260" rx="5" fill="#a8442f"/><rect width="10" height="260" fill="#000" fill-opacity=".18"/>
<g fill="none" stroke="#f4d9a6" stroke-width="2">${threads.join('')}${weft.join('')}</g>
<g fill="#fbf3e2" text-anchor="middle" font-family="Georgia, serif"><text x="95" y="48" font-size="23">Silas</text>
<text x="95" y="74" font-size="23">Marner</text>
<text x="95" y="232" font-size="12" letter-spacing="2">GEORGE ELIOT</text></g></svg>`;
}
