/**
 * Follows a mouse or a pen over an element, and what a finger touches there. What a finger has touched stays pointed at
 * when it is lifted: it lies below the finger until then.
 * @param onLeave called when a mouse or a pen leaves
 */
export function followPointer(
  node: HTMLElement,
  onPoint: (event: PointerEvent) => void,
  onLeave: () => void,
): void {
  node.addEventListener('pointermove', onPoint);
  // A tap has no move.
  node.addEventListener('pointerdown', onPoint);
  node.addEventListener('pointerleave', ({ pointerType }) => {
    if (pointerType !== 'touch') onLeave();
  });
}
