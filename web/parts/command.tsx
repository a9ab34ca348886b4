// The command that tells the same as a view, with a button that copies it.
import { useState } from 'preact/hooks';
import { CopyIcon, DoneIcon } from './icons.tsx';

const SHOWN_MS = 1500;

export function Command({ text }: { text: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = (): void => {
    void navigator.clipboard.writeText(text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), SHOWN_MS);
    });
  };
  return (
    <span class="command">
      <code>{text}</code>
      <button type="button" onClick={copy} aria-label={`Copy ${text}`} title="Copy">
        {isCopied ? <DoneIcon /> : <CopyIcon />}
      </button>
      <span class="unseen" role="status">
        {isCopied ? 'Copied' : ''}
      </span>
    </span>
  );
}

export function Commands({ texts }: { texts: readonly string[] }) {
  return (
    <div class="commands">
      <span class="quiet">The same on a terminal</span>
      {texts.map((text) => (
        <Command key={text} text={text} />
      ))}
    </div>
  );
}
