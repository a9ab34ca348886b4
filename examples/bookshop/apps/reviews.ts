// What readers say about a book. One version has no stars; the other asks ratings for them.
import type { Rating } from './ratings-service.ts';
import { passedOn, serve } from './serve.ts';

const VERSION = process.env.VERSION ?? 'v1';
const STARS = process.env.STARS ?? 'none';

const REVIEWS: Readonly<Record<string, readonly { readonly reviewer: string; readonly text: string }[]>> = {
  '9780141439754': [
    {
      reviewer: 'Dolly',
      text: 'A loom, a hoard of gold, and a child that walks in from the snow. I read it twice a year.',
    },
    { reviewer: 'Godfrey', text: 'Short, warm and sharper than it looks. Nobody keeps a secret for ever.' },
  ],
};

type Stars = { readonly ratings: readonly Rating[]; readonly note?: string };

serve('reviews', 9082, async ({ url, headers }) => {
  const isbn = /^\/reviews\/(\d+)$/.exec(url.pathname)?.[1];
  if (isbn === undefined) return null;
  const reviews = REVIEWS[isbn];
  if (reviews === undefined) return { status: 404, json: { error: `no book ${isbn}`, version: VERSION } };
  if (STARS === 'none') return { json: { version: VERSION, reviews } };
  const { ratings, note } = await starsOf(isbn, passedOn(headers));
  const withStars = reviews.map((one) => ({
    ...one,
    stars: ratings.find(({ reviewer }) => reviewer === one.reviewer)?.stars,
  }));
  return { json: { version: VERSION, colour: STARS, reviews: withStars, note } };
});

/** Reviews without stars are better than none. */
async function starsOf(isbn: string, headers: Record<string, string>): Promise<Stars> {
  // Version v1 never needs gRPC, so it does not load it.
  const { getRatings } = await import('./ratings-client.ts');
  try {
    return { ratings: await getRatings(isbn, headers) };
  } catch (error) {
    return { ratings: [], note: `no stars today: ${(error as { details?: string }).details ?? error}` };
  }
}
