/** The format before attention had pools and a spatial part of its own: there was squeeze-and-excitation alone. */
export const earlierFormat = 'fovea network 1';

/**
 * The description of a network in the present form, from that of `earlierFormat`.
 * @param description as the file holds it, not checked: what has another form than expected is left for the check
 */
export function fromEarlierFormat(description: unknown): unknown {
  const { nodes } = (description ?? {}) as { nodes?: unknown };
  if (!Array.isArray(nodes)) return description;
  return { ...(description as object), nodes: nodes.map(withAttention) };
}

function withAttention(node: unknown): unknown {
  const { block } = (node ?? {}) as { block?: Record<string, unknown> };
  const excitation = block?.squeezeExcitation as Record<string, unknown> | undefined;
  if (!excitation) return node;
  const { squeezeExcitation: _, ...rest } = block!;
  const { after, reduce, expand } = excitation;
  return {
    ...(node as object),
    block: { ...rest, attention: { after, pools: ['mean'], reduce, gate: expand } },
  };
}
