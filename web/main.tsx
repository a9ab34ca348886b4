// The live page of a mesh.
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { Shell } from './parts/shell.tsx';
import { token } from './state/api.ts';
import { followMesh } from './state/live.ts';
import { connection } from './state/mesh.ts';
import { followAddress, route, type View } from './state/route.ts';
import { takeToken } from './state/token.ts';
import { GraphView } from './graph/graph-view.tsx';
import { ObjectsView } from './views/objects.tsx';
import { RequestsView } from './views/requests.tsx';
import { TimelineView } from './views/timeline.tsx';
import { WorkloadsView } from './views/workloads.tsx';

const CONTENT: Readonly<Record<View, () => preact.JSX.Element>> = {
  graph: GraphView,
  workloads: WorkloadsView,
  requests: RequestsView,
  objects: ObjectsView,
  timeline: TimelineView,
};

function Page() {
  const { view } = route.value;
  useEffect(() => {
    document.title = `${view[0]?.toUpperCase()}${view.slice(1)} · Heddle`;
  }, [view]);
  if (token.value === '') return <Closed title="This page needs a token" />;
  if (connection.value === 'refused') return <Closed title="The token is not the right one" />;
  const Content = CONTENT[view];
  return (
    <Shell>
      <Content />
    </Shell>
  );
}

function Closed({ title }: { title: string }) {
  return (
    <div class="closed">
      <h1>{title}</h1>
      <p>
        Open the whole address that <code>heddle up</code> printed: it ends in <code>#token=…</code>. A mesh that was
        started anew has a new token; <code>heddle status</code> prints its address.
      </p>
    </div>
  );
}

token.value = takeToken();
followAddress();
// The same tab may be given another address with another token.
addEventListener('hashchange', () => {
  if (!location.hash.startsWith('#token=')) return;
  connection.value = 'connecting';
  token.value = takeToken();
  followAddress();
});
followMesh();
const place = document.getElementById('page');
if (place !== null) render(<Page />, place);
