/**
 * Draws docs/images/architecture.svg: the layers of the engine and which of them import from which.
 *
 *   node scripts/architecture.mjs           writes the picture
 *   node scripts/architecture.mjs --check   exit code 1 when the picture is not of the sources as they are
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cruise } from 'dependency-cruiser';

const layers = createRequire(import.meta.url)('./engine-layers.cjs');
const picture = new URL('../docs/images/architecture.svg', import.meta.url);

/** Which layer imports from which: pairs of their positions. */
async function findImports() {
  const { output } = await cruise(['engine/src'], {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    parser: 'swc',
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  });
  const layerOf = (path) => layers.findIndex((layer) => new RegExp(layer.path).test(path));
  const pairs = new Set();
  for (const { source, dependencies } of output.modules) {
    for (const { resolved } of dependencies) {
      const [from, to] = [layerOf(source), layerOf(resolved)];
      if (from >= 0 && to >= 0 && from !== to) pairs.add(from * layers.length + to);
    }
  }
  const order = [...pairs].sort((a, b) => a - b);
  return order.map((pair) => [Math.floor(pair / layers.length), pair % layers.length]);
}

const WIDTH = 800;
const ROW = 46;
const BOX = { x: 20, width: 520, height: 34 };

/** Boxes from the bottom up; every import is an arc on the right that ends in the layer below. */
function draw(imports) {
  const height = layers.length * ROW + 20;
  const top = (i) => height - 10 - (i + 1) * ROW + (ROW - BOX.height) / 2;
  const edge = BOX.x + BOX.width;
  const arcs = imports.map(([from, to]) => {
    // Ends are spread over a box's side, so that arcs of different lengths do not lie on each other.
    const y1 = top(from) + BOX.height * (0.5 + 0.35 * (to / layers.length));
    const y2 = top(to) + BOX.height * (0.5 - 0.35 * (from / layers.length));
    const reach = edge + 16 + 20 * Math.abs(from - to);
    return `<path d="M${edge} ${y1.toFixed(1)} C${reach} ${y1.toFixed(1)} ${reach} ${y2.toFixed(1)} ${edge + 5} ${y2.toFixed(1)}" marker-end="url(#arrow)"><title>${layers[from].name} imports from ${layers[to].name}</title></path>`;
  });
  const boxes = layers.map(
    ({ name, purpose }, i) =>
      `<rect x="${BOX.x}" y="${top(i)}" width="${BOX.width}" height="${BOX.height}" rx="5"/>` +
      `<text x="${BOX.x + 14}" y="${top(i) + 22}" class="name">${name}</text>` +
      `<text x="${BOX.x + 112}" y="${top(i) + 22}">${purpose}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Layers of the engine, each importing only from those below it">
<style>
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .name { font-weight: 600 }
  rect { fill: #f6f8fa; stroke: #8c959f }
  path { fill: none; stroke: #57606a; stroke-width: 1.4; stroke-opacity: 0.55 }
</style>
<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 L8 4 L0 8 z" style="fill: #57606a; stroke: none"/></marker></defs>
<rect width="${WIDTH}" height="${height}" style="fill: #ffffff; stroke: none"/>
${arcs.join('\n')}
${boxes.join('\n')}
</svg>
`;
}

const drawn = draw(await findImports());
if (!process.argv.includes('--check')) writeFileSync(picture, drawn);
else if (readFileSync(picture, 'utf8') !== drawn) {
  process.stderr.write(
    'docs/images/architecture.svg is of other sources: run node scripts/architecture.mjs\n',
  );
  process.exit(1);
}
