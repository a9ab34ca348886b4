// A row of figures as a small line.

const WIDTH = 96;
const HEIGHT = 24;
const BOX = `0 0 ${WIDTH} ${HEIGHT}`;

export function Sparkline({ points, label }: { points: readonly number[]; label: string }) {
  const most = Math.max(...points, 0);
  if (points.length < 2 || most === 0) {
    return (
      <svg
        class="sparkline idle"
        width={WIDTH}
        height={HEIGHT}
        viewBox={BOX}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${label}: nothing`}
      >
        <path d={`M0 ${HEIGHT - 1.5}H${WIDTH}`} />
      </svg>
    );
  }
  const step = WIDTH / (points.length - 1);
  const line = points.map(
    (point, at) => `${(at * step).toFixed(1)} ${(HEIGHT - 2 - (point / most) * (HEIGHT - 5)).toFixed(1)}`,
  );
  return (
    <svg
      class="sparkline"
      width={WIDTH}
      height={HEIGHT}
      viewBox={BOX}
      preserveAspectRatio="none"
      role="img"
      aria-label={`${label}: at most ${most} per second`}
    >
      <path class="area" d={`M0 ${HEIGHT}L${line.join('L')}L${WIDTH} ${HEIGHT}Z`} />
      <path d={`M${line.join('L')}`} />
    </svg>
  );
}
