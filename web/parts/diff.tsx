// A unified difference with its lines in colour.

const CLASSES: Readonly<Record<string, string>> = { '+': 'added', '-': 'removed', '@': 'place' };

export function Diff({ text }: { text: string }) {
  const lines = text.replace(/\n$/, '').split('\n');
  return (
    <pre class="diff">
      {lines.map((line, at) => (
        // Lines have no name but their place.
        <span key={at} class={CLASSES[line[0] ?? ''] ?? ''}>
          {line === '' ? ' ' : line}
        </span>
      ))}
    </pre>
  );
}
