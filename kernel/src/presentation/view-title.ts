import type { LatencyView } from '../display/mime.js';

/** A view's own title, or one for its kind. */
export function viewTitle(view: LatencyView): string {
  if (view.title !== undefined) return view.title;
  switch (view.kind) {
    case 'compare':
      return 'Time per block';
    case 'breakdown':
      return `${view.profile.label}: where the time goes`;
    case 'ratio':
      return 'Latency relative to dense';
    case 'fusion':
      return 'What fusion saves';
    case 'strategies':
      return 'Strategies';
    case 'pareto':
      return 'Quality against latency';
  }
}
