/** The clusters and their tunnels as a picture: DOT for graphviz, or SVG drawn here. Pure. */

import { formatCidr } from '../ipam/cidr.ts';
import type { Acceptance, Granularity, Site } from './accepted-peers.ts';
import { linksOf } from './topology.ts';

export interface Edge {
  readonly from: string;
  readonly to: string;
  /** `direct` carries the blocks of both ends, `hub` what has no other way. */
  readonly kind: 'direct' | 'hub';
  /** Who dials; `both` may. */
  readonly dials: 'from' | 'to' | 'both';
}

/** Every tunnel once, in the order of the clusters' ids. */
export function edgesOf(acceptance: Acceptance, granularity: Granularity): Edge[] {
  const edges = new Map<string, Edge>();
  for (const id of [...acceptance.sites.keys()].sort()) {
    for (const { site, dial } of linksOf(id, acceptance, granularity)) {
      const isFirst = id < site.id;
      const [from, to] = isFirst ? [id, site.id] : [site.id, id];
      const before = edges.get(`${from} ${to}`);
      const kind = acceptance.sites.get(from)?.isHub || acceptance.sites.get(to)?.isHub ? 'hub' : 'direct';
      const own = dial === undefined ? undefined : isFirst ? 'from' : 'to';
      const dials =
        before === undefined
          ? (own ?? (isFirst ? 'to' : 'from'))
          : own !== undefined && own !== before.dials
            ? 'both'
            : before.dials;
      edges.set(`${from} ${to}`, { from, to, kind, dials });
    }
  }
  return [...edges.values()].sort((a, b) => (a.from + a.to < b.from + b.to ? -1 : 1));
}

function lines(site: Site): string[] {
  const where = site.location === '' ? [] : [site.location];
  return [site.id, ...site.cidrs.map(formatCidr), ...where];
}

function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

export function renderDot(acceptance: Acceptance, granularity: Granularity): string {
  const sites = [...acceptance.sites.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const nodes = sites.map(site => {
    const label = quoted(lines(site).join('\n')).replaceAll('\n', '\\n');
    const shape = site.isHub ? 'doubleoctagon' : site.public === undefined ? 'ellipse' : 'box';
    return `  ${quoted(site.id)} [label=${label}, shape=${shape}${site.isReady ? '' : ', color=red'}];`;
  });
  const refused = acceptance.refused.map(
    ({ id }) => `  ${quoted(id)} [shape=ellipse, style=dashed, color=red];`,
  );
  const edges = edgesOf(acceptance, granularity).map(({ from, to, kind, dials }) => {
    const arrow = dials === 'both' ? 'both' : dials === 'from' ? 'forward' : 'back';
    return `  ${quoted(from)} -> ${quoted(to)} [dir=${arrow}${kind === 'hub' ? ', style=dotted' : ''}];`;
  });
  return ['digraph nauti {', ...nodes, ...refused, ...edges, '}', ''].join('\n');
}

const width = 110;
const lineHeight = 15;

/** Clusters on a circle, the hub in its middle. */
export function renderSvg(acceptance: Acceptance, granularity: Granularity): string {
  const sites = [...acceptance.sites.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const around = sites.filter(({ isHub }) => !isHub);
  const radius = Math.max(160, (around.length * (width + 30)) / (2 * Math.PI));
  const middle = Math.round(radius + width);
  const places = new Map<string, { readonly x: number; readonly y: number }>();
  for (const site of sites) if (site.isHub) places.set(site.id, { x: middle, y: middle });
  for (const [index, site] of around.entries()) {
    const angle = (index / around.length) * 2 * Math.PI - Math.PI / 2;
    places.set(site.id, {
      x: Math.round(middle + radius * Math.cos(angle)),
      y: Math.round(middle + radius * Math.sin(angle)),
    });
  }
  const edges = edgesOf(acceptance, granularity).map(({ from, to, kind }) => {
    const a = places.get(from) ?? { x: 0, y: 0 };
    const b = places.get(to) ?? { x: 0, y: 0 };
    const dash = kind === 'hub' ? ' stroke-dasharray="4 4"' : '';
    return `<line x1="${a.x}" y1="${a.y}" x2="${b.x}" y2="${b.y}" stroke="#777"${dash}/>`;
  });
  const nodes = sites.map(site => drawSite(site, places.get(site.id) ?? { x: 0, y: 0 }));
  const size = middle * 2;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" font-family="sans-serif" font-size="12">\n${[...edges, ...nodes].join('\n')}\n</svg>\n`;
}

function drawSite(site: Site, { x, y }: { readonly x: number; readonly y: number }): string {
  const texts = lines(site);
  const height = texts.length * lineHeight + 10;
  const colour = !site.isReady
    ? '#fdd'
    : site.isHub
      ? '#dde7ff'
      : site.public === undefined
        ? '#fff'
        : '#e6f5e1';
  const spans = texts.map(
    (text, index) =>
      `<tspan x="${x}" y="${y - height / 2 + 17 + index * lineHeight}"${index === 0 ? ' font-weight="bold"' : ''}>${escaped(text)}</tspan>`,
  );
  return `<g><rect x="${x - width / 2}" y="${y - height / 2}" width="${width}" height="${height}" rx="6" fill="${colour}" stroke="#333"/><text text-anchor="middle">${spans.join('')}</text></g>`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
