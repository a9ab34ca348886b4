// What the graph's lines and colours mean.
import { LockIcon, OpenLockIcon } from '../parts/icons.tsx';

export function Legend() {
  return (
    <ul class="legend" aria-label="Legend">
      <li>
        <Line tone="good" width={2} /> no errors
      </li>
      <li>
        <Line tone="odd" width={2} /> up to 5 % errors
      </li>
      <li>
        <Line tone="bad" width={2} /> more
      </li>
      <li>
        <Line tone="none" width={2} /> quiet
      </li>
      <li>
        <Line tone="good" width={5} /> thicker: more requests
      </li>
      <li>
        <Line tone="good" width={2} isDashed /> TCP
      </li>
      <li class="locked">
        <LockIcon /> mutual TLS
      </li>
      <li class="unlocked">
        <OpenLockIcon /> plain text
      </li>
    </ul>
  );
}

function Line({ tone, width, isDashed = false }: { tone: string; width: number; isDashed?: boolean }) {
  return (
    <svg class={`edge ${tone}`} width="26" height="10" aria-hidden="true">
      <path
        class="line"
        d="M1 5H25"
        style={{ strokeWidth: `${width}px`, strokeDasharray: isDashed ? '5 4' : 'none' }}
      />
    </svg>
  );
}
