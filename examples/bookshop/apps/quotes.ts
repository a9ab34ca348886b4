// A site on the internet, as far as the shop knows: one quotation after the other.
import { serve } from './serve.ts';

const QUOTES = [
  { text: 'What do we live for, if it is not to make life less difficult to each other?', author: 'George Eliot' },
  { text: 'I declare after all there is no enjoyment like reading!', author: 'Jane Austen' },
  { text: 'There is no Frigate like a Book to take us Lands away.', author: 'Emily Dickinson' },
  { text: 'A good book is the precious life-blood of a master spirit.', author: 'John Milton' },
  { text: 'Some books are to be tasted, others to be swallowed.', author: 'Francis Bacon' },
];

let asked = 0;

serve('quotes', 9084, ({ url }) => (url.pathname === '/' ? { json: QUOTES[asked++ % QUOTES.length] } : null));
